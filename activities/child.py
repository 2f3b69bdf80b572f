"""Files that others wrote are worked on in a process of their own.

A hostile or huge file may exhaust, crash or take over that process: it knows no secret of the
worker, has little memory and time, and its answer is measured. Whatever becomes of it, the worker
lives on.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

MEMORY: Final = 2 * 2**30
"""Bytes of address space, unless told otherwise."""

_PATH: Final = str(Path(__file__).resolve().parent.parent)


async def answer_of(
    module: str, *words: str, job: bytes = b"", most: int, seconds: float | None = None
) -> tuple[bytes, int]:
    """What ``python -m module`` writes, with these words and that job on its standard input, and
    how it ended (as ``asyncio.subprocess.Process.returncode``).

    Cancelled, or after ``seconds`` by the clock, the child is killed. Raises ``TimeoutError``
    then, and ``ValueError`` for an answer of more than ``most`` bytes.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Not where the file is: nothing beside it is ever imported.
        *("-P", "-m", module, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of ours: our environment holds secrets.
        env={"PYTHONPATH": _PATH, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
    )
    try:
        async with asyncio.timeout(seconds):
            answer = await _talk(process, job, most)
            return answer, await process.wait()
    finally:
        # Not one that ended: ``kill`` would take its exit code away from who waits for it.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _talk(process: asyncio.subprocess.Process, job: bytes, most: int) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(job)
        await process.stdin.drain()
    process.stdin.close()
    answer = b""
    while block := await process.stdout.read(most):
        answer += block
        if len(answer) > most:
            raise ValueError(f"an answer of more than {most} bytes")
    return answer


def limit(*, seconds: int, files: int, memory: int = MEMORY, written: int | None = None) -> None:
    """In the child: at most so many seconds of processor, files open at once, bytes of address
    space and bytes in any file that it writes; less where the system says so. No core is left."""
    # The soft limit ends the process with a signal of its own, the hard one looks like a kill.
    _limit(resource.RLIMIT_CPU, seconds, seconds + 5)
    _limit(resource.RLIMIT_AS, memory, memory)
    _limit(resource.RLIMIT_NOFILE, files, files)
    _limit(resource.RLIMIT_CORE, 0, 0)
    if written is not None:
        _limit(resource.RLIMIT_FSIZE, written, written)


def _limit(what: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(what)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(what, (soft, hard))
