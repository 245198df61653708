"""Say in plain words what the directory knows: names of attributes, changes, times, states."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from services.directory.history import Entry, Kind
from services.directory.region_placing import REGION
from shared.scim.attributes import Attribute, ResourceType, Returned
from shared.scim.schemas.group import MEMBERS
from shared.scim.schemas.user import ACTIVE, GROUPS

SECRET = "changed; what is secret or sensitive is not shown"  # noqa: S105 - what is shown instead of one.
ABOUT_REGION = "Where the employee belongs, by the rules of this portal."
GONE = "of an attribute that is declared no longer"
_STEPS = ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"))
_MOMENTS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? UTC)")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change: a sentence, or a field with its value before and after."""

    sentence: str = ""
    field: str = ""
    about: str = ""
    before: str = ""
    after: str = ""
    added: Sequence[Mapping[str, str]] = ()
    removed: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Told:
    """An entry of the history, in words."""

    title: str
    icon: str
    tone: str
    changes: Sequence[Change]


def told(entry: Entry, resource_type: ResourceType, names: Callable[[str], str | None]) -> Told:
    """Tell an entry in words; `names` knows what an id is called."""
    title, icon, tone = _title(entry, resource_type)
    changes = [] if _is_one_membership(entry) else [_change(change, resource_type, names) for change in entry.changes]
    return Told(title=title, icon=icon, tone=tone, changes=changes)


def label(name: str) -> str:
    """Return an attribute's name as people write it: `employeeNumber` is "Employee number"."""
    bare = name.rpartition(":")[2]
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare).split(" ")
    return " ".join(
        [apart[0][:1].upper() + apart[0][1:], *(word if word.isupper() else word.lower() for word in apart[1:])]
    )


def value(found: Any) -> str:
    """Return a value in one line."""
    match found:
        case None:
            return ""
        case bool():
            return "yes" if found else "no"
        case list():
            return ", ".join(value(each) for each in found)
        case dict():
            return _complex(found)
        case _:
            return str(found)


def is_hidden(attribute: Attribute) -> bool:
    """Whether no page shows the values of an attribute."""
    return attribute.returned is Returned.NEVER or attribute.is_sensitive


def find_attribute(resource_type: ResourceType, name: str) -> Attribute | None:
    """Return the attribute that the history calls by this name, if it is still declared."""
    urn, _, bare = name.rpartition(":")
    schema = resource_type.find_schema(urn) if urn else resource_type.schema
    return schema.attribute(bare) if schema is not None else None


def time_tag(moment: datetime | None) -> Markup:
    """Return a time for a page: UTC, until the page's script shows it in the viewer's zone; the exact one on hover."""
    if moment is None:
        return Markup("never")
    exact = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{exact:%Y-%m-%d %H:%M:%S}.{exact.microsecond // 1000:03} UTC",
        f"{exact:%d %b %Y, %H:%M} UTC",
    )


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit."""
    seconds = abs(length.total_seconds())
    for size, unit in _STEPS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


def initials(name: str) -> str:
    """Return up to two letters for a name."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    return "".join(word[0].upper() for word in words[:2]) or "?"


def number(count: int) -> str:
    """Return a number with its thousands apart."""
    return f"{count:,}"


def marked(text: str) -> Markup:
    """Return a text of our own tables for a page: what stands between stars is a name on a screen, or code."""
    shown = str(escape(text)).replace(" &gt; ", " \u203a ")
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*([^*]+)\*", r"<b>\1</b>", shown))
    return Markup(shown)  # noqa: S704 - escaped above.


def seconds(length: float | None) -> str:
    """Return how long something took, in milliseconds or seconds."""
    if length is None:
        return "\u2013"
    return f"{length * 1000:.0f} ms" if length < 1 else f"{length:.1f} s"


def version(etag: str) -> str:
    """Return the number of a version out of its ETag."""
    return etag.removeprefix("W/").strip('"')


def with_times(sentence: str) -> Markup:
    """Return a sentence whose moments in UTC are shown in the viewer's zone."""
    return Markup("").join(_moment(part) for part in _MOMENTS.split(sentence))


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time_tag,
    "moment": datetime.fromisoformat,
    "version": version,
    "label": label,
    "value": value,
    "span": span,
    "initials": initials,
    "number": number,
    "marked": marked,
    "seconds": seconds,
    "with_times": with_times,
}


def _moment(part: str) -> Markup:
    if not _MOMENTS.fullmatch(part):
        return escape(part)
    try:
        return time_tag(datetime.fromisoformat(part.removesuffix(" UTC")).replace(tzinfo=UTC))
    except ValueError:  # What somebody looked for may look like a moment, and be none.
        return escape(part)


def _title(entry: Entry, resource_type: ResourceType) -> tuple[str, str, str]:
    if entry.kind is Kind.CREATED:
        return "Created", "plus-circle", "good"
    if entry.kind is Kind.DELETED:
        return "Deleted", "trash", "bad"
    names = {change["attribute"]: change for change in entry.changes}
    if ACTIVE.name in names and resource_type.schema.attribute(ACTIVE.name) is ACTIVE:
        return (
            ("Enabled", "person-check", "good") if names[ACTIVE.name].get("to") else ("Disabled", "person-dash", "bad")
        )
    if len(names) > 1:
        return f"{len(entry.changes)} fields changed", "pencil", ""
    return _title_of_one(entry, entry.changes[0])


def _title_of_one(entry: Entry, change: Mapping[str, Any]) -> tuple[str, str, str]:
    match change["attribute"]:
        case GROUPS.name:
            return _joined(entry, change, "role")
        case MEMBERS.name:
            return _joined(entry, change, "member")
        case name if name == REGION:
            return f"Moved to {value(change['to']) or 'another region'}", "geo-alt", ""
        case name:
            return f"{label(name)} changed", "pencil", ""


def _is_one_membership(entry: Entry) -> bool:
    """Whether all that happened is that one joined or left, which the title says."""
    if len(entry.changes) != 1 or entry.kind is not Kind.CHANGED:
        return False
    [change] = entry.changes
    return len([*change.get("added", ()), *change.get("removed", ())]) == 1


def _joined(entry: Entry, change: Mapping[str, Any], what: str) -> tuple[str, str, str]:
    added, removed = change.get("added", ()), change.get("removed", ())
    if _is_one_membership(entry):
        one: Mapping[str, str] = [*added, *removed][0]
        name, verb = one.get("display") or one["value"], "joined" if added else "left"
        return (f"{name} {verb}" if what == "member" else f"{verb.capitalize()} {name}"), "people", ""
    counts = [(verb, len(some)) for verb, some in (("gained", added), ("lost", removed)) if some]
    words = [f"{verb} {count} {what}{'s' if count > 1 else ''}" for verb, count in counts]
    return " and ".join(words).capitalize(), "people", ""


def _change(change: Mapping[str, Any], resource_type: ResourceType, names: Callable[[str], str | None]) -> Change:
    attribute = find_attribute(resource_type, change["attribute"])
    field = label(change["attribute"])
    if change["attribute"] == REGION:
        return Change(field=field, about=ABOUT_REGION, before=value(change["from"]), after=value(change["to"]))
    if attribute is None:
        return Change(field=field, sentence=GONE)
    if is_hidden(attribute):
        return Change(field=field, about=attribute.description, sentence=SECRET)
    if "added" in change:
        return Change(field=field, added=change["added"], removed=change["removed"])
    before, after = (_shown(attribute, change[side], names) for side in ("from", "to"))
    return Change(field=field, about=attribute.description, before=before, after=after)


def _shown(attribute: Attribute, found: Any, names: Callable[[str], str | None]) -> str:
    if attribute.reference is not None and isinstance(found, dict) and found.get("value"):
        return names(found["value"]) or str(found["value"])
    return value(found)


def _complex(found: Mapping[str, Any]) -> str:
    """Return a complex value: the value itself with its type, or all parts with their names."""
    if isinstance(found.get("value"), str):
        about = [str(found[name]) for name in ("type",) if found.get(name)]
        about += ["primary"] if found.get("primary") else []
        return f"{found['value']} ({', '.join(about)})" if about else found["value"]
    return ", ".join(f"{label(name).lower()}: {value(part)}" for name, part in found.items() if value(part))
