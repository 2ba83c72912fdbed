"""Libraries that would talk between a verb's own lines."""

import warnings


def quiet_libraries() -> None:
    """Keep transformers and peft off the screen; imports transformers."""
    import transformers

    # peft 0.21 and trl 1.16 ask transformers 5.23 by a deprecated name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
