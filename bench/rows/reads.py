"""Rows about reads: people by id and by match query, over the size of the directory, and pages of long lists."""

from contextlib import ExitStack
from urllib.parse import quote

from bench import contestants, figures, interleaving, seeding
from bench.bodies import Gets, match
from bench.contestants import DIRECT, DJANGO, MUSTER, SCIM2, SCIMMY, Contestant, Field
from bench.figures import AT_LEAST, AT_MOST, Book, Found
from bench.scale import Scale
from services.directory import database, keys, tokens
from services.directory.listing import Key
from services.gateway.cursors import Cursor, Cursors
from services.gateway.searching import SECRET
from shared.scim import searches

CONNECTIONS = 32
ASKED = 2_000
"""So many different people are asked for, spread over all."""

CURSOR_SECONDS = 3_600


def reads(scale: Scale) -> Found:
    """Measure people by id and by match query a second, with many people there."""
    book = Book()
    peers = {DIRECT: scale.users, **scale.peer_users}
    by_id, by_name = "GET by id", "match query"
    with contestants.field() as field:
        muster = field.muster(scale.users)
        with interleaving.everybody(field, book, muster, peers) as everyone:

            def measure(each: Contestant) -> None:
                for name, requests in ((by_id, _by_id(each)), (by_name, _by_name(each))):
                    costs = f"processor, {name}"
                    answered = interleaving.load(scale, each, requests, CONNECTIONS, book, costs)
                    book.note(name, each.name, "requests/s", answered.per_second)

            interleaving.rounds(scale, book, everyone, by_id, measure)
    fastest = max((SCIM2, SCIMMY, DJANGO), key=lambda who: book.median(by_id, who) or 0.0)
    goals = [
        goal
        for name in (by_id, by_name)
        for goal in book.ratio(
            f"{name}, Muster to GET by id of {fastest}, the fastest peer",
            (name, MUSTER),
            (by_id, fastest),
            AT_LEAST,
            1.5,
        )
    ]
    held = ", ".join(f"{who} {users:,}" for who, users in peers.items())
    notes = [f"People there: Muster {scale.users:,}, {held}. {CONNECTIONS} connections.", *book.notes()]
    return Found(title="Reads", figures=book.figures(), goals=tuple(goals), notes=tuple(notes))


def sizes(scale: Scale) -> Found:
    """Measure the match query with few people and with very many, each on a stack of its own."""
    book = Book()
    with ExitStack() as running:
        small, large = (running.enter_context(contestants.field()) for _ in range(2))
        pairs = [(small, scale.few_users), (large, scale.many_users)]
        asked = [(_size(users), field.muster(users)) for field, users in pairs]
        for _, each in asked:
            interleaving.one_by_one(each, _by_name(each), scale.single)
        for book.number in range(scale.rounds):
            for name, each in asked:
                answered = interleaving.one_by_one(each, _by_name(each), scale.single * 5)
                book.note(name, MUSTER, "ms", answered.percentile(50))
        with interleaving.everybody(
            small, book, asked[0][1], {SCIM2: scale.few_users, SCIMMY: scale.few_users, DJANGO: scale.few_users}
        ) as few:
            _match_peers(scale, book, few[1:], _size(scale.few_users))
        with interleaving.everybody(small, book, asked[0][1], scale.peer_users) as many:
            _match_peers(scale, book, many[1:], "match query at what the peer bears, p50")
    names = [name for name, _ in asked]
    goals = book.ratio(
        f"match query, {scale.many_users:,} people to {scale.few_users:,}",
        (names[1], MUSTER),
        (names[0], MUSTER),
        AT_MOST,
        1.3,
    )
    points = [
        (MUSTER, float(each.users), median) for name, each in asked if (median := book.median(name, MUSTER)) is not None
    ]
    held = ", ".join(f"{who} {users:,}" for who, users in scale.peer_users.items())
    return Found(
        title="The match query over the size of the directory",
        figures=book.figures(),
        goals=tuple(goals),
        curves=figures.curves("matching", points),
        notes=(f"The peers bear: {held}.",),
    )


def pages(scale: Scale) -> Found:
    """Measure the first page and the last of a long list, by cursor and by index."""
    book = Book()
    with contestants.field() as field:
        muster = field.muster(scale.many_users)
        last = scale.many_users // scale.page
        paths = {
            "page 1 by cursor, with the count of all": f"/Users?cursor&count={scale.page}",
            "page 2 by cursor": _page_path(field, muster, scale, 2),
            f"page {last:,} by cursor": _page_path(field, muster, scale, last),
            "page 1 by startIndex": f"/Users?startIndex=1&count={scale.page}",
            f"page {last:,} by startIndex": f"/Users?startIndex={(last - 1) * scale.page + 1}&count={scale.page}",
        }
        for book.number in range(scale.rounds):
            for name, path in paths.items():
                answered = interleaving.one_by_one(
                    muster, interleaving.reading(muster, path), max(5, scale.single // 4)
                )
                book.note(name, MUSTER, "ms", answered.percentile(50))
    first, second, deep, *_ = paths
    goals = [
        *book.ratio(f"{deep}, to page 1", (deep, MUSTER), (first, MUSTER), AT_MOST, 1.3),
        *book.ratio(f"{deep}, to page 2", (deep, MUSTER), (second, MUSTER), AT_MOST, 1.3),
    ]
    note = (
        f"{scale.many_users:,} people, {scale.page} on a page, p50 of single requests. The cursors of late pages are "
        "signed as the gateway signs them, so that nobody has to turn all pages before."
    )
    return Found(title="Pages of a long list", figures=book.figures(), goals=tuple(goals), notes=(note,))


def _match_peers(scale: Scale, book: Book, peers: list[Contestant], name: str) -> None:
    def measure(each: Contestant) -> None:
        answered = interleaving.one_by_one(each, _by_name(each), scale.single)
        book.note(name, each.name, "ms", answered.percentile(50))

    interleaving.rounds(scale, book, peers, name, measure)


def _size(users: int) -> str:
    return f"match query at {users:,} people, p50"


def _numbers(each: Contestant) -> list[int]:
    step = max(1, each.users // ASKED)
    return list(range(1, each.users + 1, step))


def _by_id(each: Contestant) -> Gets:
    return Gets(target=each.target, paths=[f"/Users/{each.user_id(number)}" for number in _numbers(each)])


def _by_name(each: Contestant) -> Gets:
    return Gets(target=each.target, paths=[match(seeding.user_name(number)) for number in _numbers(each)])


def _page_path(field: Field, muster: Contestant, scale: Scale, page: int) -> str:
    """Return the path of a page, with the cursor that the page before ends with."""
    with database.transaction(field.engine) as connection:
        principal = tokens.authenticate(connection, muster.target.token)
        signer = Cursors(keys.shared(connection, SECRET), CURSOR_SECONDS)
    assert principal is not None
    assert muster.block is not None
    search = searches.of_parameters({"cursor": "", "count": str(scale.page)})
    query = (principal.tenant_id, principal.token_id, ["User"], *search.same())
    before = seeding.user_id(muster.block, (page - 1) * scale.page)
    text = signer.write(Cursor(last=Key(0, before), count=scale.page, total=scale.many_users), query)
    return f"/Users?cursor={quote(text)}&count={scale.page}"
