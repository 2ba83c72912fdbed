"""What is wrong with a line of a journal or of a schedule's memory, in words."""

from pydantic import ValidationError

from dpo_ray.config.wording import show


def damage(error: ValidationError) -> str:
    """Say what the first finding about a line is: its key, the rule and the value."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    match first["type"]:
        case "json_invalid":
            return f"must be one JSON object, {context['error']}"
        case "union_tag_not_found":
            return "kind is required"
        case "union_tag_invalid":
            allowed = str(context["expected_tags"]).replace("'", "")
            return f"kind: unknown value, got {show(context['tag'])}; allowed: {allowed}"
    key = ".".join(str(part) for part in first["loc"][1:])  # the first part is the kind
    return f"{key}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {show(first['input'], key)}"
