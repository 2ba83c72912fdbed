"""Where an error says that it happened, as far as a machine can tell."""

import re

SECTIONS = (
    "model|data|reference|training|evaluation|objective|search|confirm|champion|resources|budget|"
    "tracking|cluster|space|schedule|alerts|parameters|function"
)
PLACES = re.compile(
    r"--[a-z][a-z-]*"  # an option
    rf"|\b(?:{SECTIONS})\.[\w.\[\]]+|\b(?:{SECTIONS}|extends|NAME)(?=:| \w+:)"  # a key
    r"|(?<![\w/])[\w./*@-]+\.(?:ya?ml|jsonl?|csv|parquet|gguf|safetensors|html|db|gz)(?::\d+)?"
    r"|\b(?:HERE|PROJECT)[\w./-]*"  # a file or a folder
    r"|\b[a-z][a-z0-9+]*://[^\s,;)]+|\b\d+\.\d+\.\d+\.\d+:\w+"  # an address
    r"|\b(?:row|step|line|item) \d+"
    r"|\b(?:slot|night|judge)[\w-]*[-_]\w+|\b\w+:score\b|^(?!hung|timeout)[\w./-]+(?=:)"  # a name
    r"|reward model [\w./-]+|the champion of [\w-]+|during the \w+|the preparation|the proof"
)
NOWHERE = {
    "conversations for a model without a chat template": "two of its inputs do not go together",
    "a judge none of whose verdicts came": "there is one judge",
    "a name that no sweep has": "it names what was typed",
    "an export that does not write what the trial writes": "there is one export",
    "a score by what is no policy": "it names what was typed",
    "a promotion of what was never registered": "it names what was typed",
    "an MLflow server that never answers": "it is the one that this command has started",
    "an MLflow server that ends at once": "it is the one that this command has started",
    "an MLflow server that dies while it is looked at": "likewise",
    "Ctrl-C": "it was typed",
    "Ctrl-C twice": "it was typed",
    "Ctrl-C before a job is followed": "it was typed",
    "a finished sweep without a completed trial": "it is about the whole sweep",
    "a search without a completed trial": "likewise",
    "trials that were lost with their processes": "likewise",
    "a budget that was spent before the search was done": "likewise, and it says of what",
    "a Ray that does not start here": "it is about this machine",
    "a checkpoint that cannot be written": "it stands beside its trial",
    "a trial with too many pairs for the memory": "it stands beside its trial",
    "a trial whose worker dies again and again": "it stands beside its trial",
    "a job of the preparation that slot after slot dies of": "it stands behind its stage",
}
"""Those that name no place, each with the reason. The list may only shrink."""


def where(text: str) -> list[str]:
    """Return every place that is named: files, lines, rows, keys, options, addresses, names."""
    return PLACES.findall(text.removeprefix("Error: "))
