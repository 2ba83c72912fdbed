"""How every verb answers; see `dpo_ray.output`, which `sweep` shares."""

from dpo_ray.output import AsJson, give_json, messages, results, say

__all__ = ["AsJson", "give_json", "messages", "results", "say"]
