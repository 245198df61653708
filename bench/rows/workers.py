"""Rows about growing: how many creates several worker processes apply, when applying takes long."""

from sqlalchemy import Engine, text

from bench import contestants, figures, interleaving
from bench.bodies import Creates
from bench.contestants import MUSTER
from bench.figures import AT_LEAST, Book, Found
from bench.scale import Scale
from services.directory import database

SECONDS = 0.02
"""What PostgreSQL waits for each employee that is inserted: so long it does nothing, and takes no processor."""

CONNECTIONS = 32
SHARDS = "32"
"""So many that chance does not leave a worker without one."""

NOTE = (
    f"A trigger makes each insert take {SECONDS * 1000:.0f} ms longer, so that the processors are not the limit: it is "
    f"what workers and shards do. {CONNECTIONS} connections, {SHARDS} shards; each number of workers has its own stack."
)


def workers(scale: Scale) -> Found:
    """Measure creates a second with one worker process and more, where each takes 20 ms that no processor is for."""
    book = Book()
    for processes in scale.workers:
        _measure(scale, book, processes)
    found = [(processes, book.median(_with(processes), MUSTER)) for processes in scale.workers]
    points = [(MUSTER, float(processes), rate) for processes, rate in found if rate is not None]
    first, last = _with(scale.workers[0]), _with(scale.workers[-1])
    least = 0.6 * scale.workers[-1]
    return Found(
        title="More workers, where applying takes long",
        figures=book.figures(),
        goals=tuple(book.ratio(f"{last}, to one", (last, MUSTER), (first, MUSTER), AT_LEAST, least)),
        curves=figures.curves("workers", points),
        notes=(NOTE, *book.notes()),
    )


def _measure(scale: Scale, book: Book, processes: int) -> None:
    with contestants.field(MUSTER_WORKER_PROCESSES=str(processes), MUSTER_SHARDS=SHARDS) as field:
        muster = field.muster()
        _slow_down(field.engine)
        for book.number in range(scale.rounds):
            answered = interleaving.load(scale, muster, Creates(target=muster.target), CONNECTIONS, book)
            book.note(_with(processes), MUSTER, "creates/s", answered.per_second)
            if answered.failures:
                book.fail(_with(processes), MUSTER, f"{answered.failures} failed: {answered.sample}")


def _slow_down(engine: Engine) -> None:
    function = f"BEGIN PERFORM pg_sleep({SECONDS}); RETURN NEW; END"
    with database.transaction(engine) as connection:
        connection.execute(text(f"CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $${function}$$"))
        connection.execute(
            text("CREATE TRIGGER slowly BEFORE INSERT ON employee FOR EACH ROW EXECUTE FUNCTION slowly()")
        )


def _with(processes: int) -> str:
    return f"creates, {processes} worker process{'es' * (processes > 1)}"
