"""The `dpo-ray` command: one verb for each thing people do."""

import typer

from dpo_ray.commands import cache, check, doctor, export, promote, report, score, sync, ui
from dpo_ray.schedule import HELP as SCHEDULE_HELP
from dpo_ray.schedule import schedule
from dpo_ray.sweep import HELP as SWEEP_HELP
from dpo_ray.sweep import sweep

HELP = "Find the beta, learning rate and LoRA rank your preference data wants."

app = typer.Typer(help=HELP, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("sweep", help=SWEEP_HELP)(sweep)
app.command("schedule", help=SCHEDULE_HELP)(schedule)
app.command("check", help=check.HELP)(check.check)
app.command("report", help=report.HELP)(report.report)
app.command("export", help=export.HELP)(export.export)
app.command("score", help=score.HELP)(score.score)
app.command("promote", help=promote.HELP)(promote.promote)
app.command("sync", help=sync.HELP)(sync.sync)
app.command("cache", help=cache.HELP)(cache.cache)
app.command("ui", help=ui.HELP)(ui.ui)
app.command("doctor", help=doctor.HELP)(doctor.doctor)

if __name__ == "__main__":
    app()
