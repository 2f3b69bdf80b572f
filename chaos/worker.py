"""The worker of production, in a process that ends itself by SIGKILL at the instants it is told.

The activities' code is untouched: an interceptor stands where the worker receives them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import temporalio.client
import temporalio.worker
from temporalio import activity

import connection
import worker
from ending import leave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.client import Client

DOOM: Final = "CHAOS_DOOM"
"""Environment: a folder. Its file ``when`` has the instants at which to die, one a line, once each:
``before`` the first activity of each name, ``after`` the first of each name and kind, when all is
done and nothing answered, or of one only (``after send_mail welcome``). The folder gets one empty
file a death; while it has ``spared``, nobody dies."""

SPARED: Final = "spared"

UNHEARD_SECONDS: Final = 0.1
"""Between a message that is taken and a death that may have come before its record: twice what was
measured, since a death is seen a little late."""


class Doomed(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Every activity meets its deaths one after the other, then passes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._instants = (folder / "when").read_text(encoding="utf-8").splitlines()

    def intercept_activity(
        self,
        next: temporalio.worker.ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _Deaths(next, self.meet)

    async def meet(self, instant: str, key: str) -> None:
        """Die here, unless it was done."""
        name = f"{instant} {key}"
        if not {instant, name} & set(self._instants) or (self._folder / SPARED).exists():
            return
        try:
            (self._folder / name).touch(exist_ok=False)
        except FileExistsError:
            return
        if instant == "after":
            # What this very activity sent was written down: sent again, it has no excuse.
            await asyncio.sleep(2 * UNHEARD_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)


class _Deaths(temporalio.worker.ActivityInboundInterceptor):
    def __init__(
        self,
        inner: temporalio.worker.ActivityInboundInterceptor,
        meet: Callable[[str, str], Awaitable[None]],
    ) -> None:
        super().__init__(inner)
        self._meet = meet

    async def execute_activity(
        self,
        input: temporalio.worker.ExecuteActivityInput,  # noqa: A002 - the SDK's name
    ) -> Any:
        """Do it, unless this is where the worker dies."""
        name = activity.info().activity_type
        await self._meet("before", name)
        answer = await super().execute_activity(input)
        kind = getattr(input.args[0], "kind", "") if input.args else ""
        await self._meet("after", f"{name} {kind}".strip())
        return answer


def main() -> int:
    """Run the worker as ``worker.py`` does; the exit code."""
    if folder := os.environ.pop(DOOM, ""):
        doomed = Doomed(Path(folder))

        async def doomed_connect(*arguments: Any, **named: Any) -> Client:
            client = await connection.connect(*arguments, **named)
            config = client.config()
            config["interceptors"] = [*config["interceptors"], doomed]
            return temporalio.client.Client(**config)

        # Where ``worker.py`` finds it: its own name for it.
        vars(worker)["connect"] = doomed_connect
    return worker.main()


if __name__ == "__main__":
    leave(main())
