"""How workflow code is run: in the SDK's sandbox, which stays on.

For every payload that enters or leaves a workflow, a summary included, the SDK asks the sandbox
four times in which context to convert it, at the price of a small program compiled and run each
time: a fifth of the worker's processor. Neither our converter nor our codec looks at a context
(``tests/test_worker.py``), so the answer is given outside. Only what the SDK makes public is overridden; on
which of its versions this was proved, ``tests/test_refused_payloads.py`` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

if TYPE_CHECKING:
    from temporalio.worker import WorkflowInstanceDetails
    from temporalio.workflow import Info

_NOWHERE: Final = StorageDriverStoreContext()


class WithoutContext(SandboxedWorkflowRunner):
    """The sandbox, for a data converter that needs no context."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance in the sandbox."""
        return _Instance(super().create_instance(det))


class _Instance(WorkflowInstance):
    """Has everything done in the sandbox, but what needs not be."""

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: Any) -> Any:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:  # noqa: ARG002 - the SDK's name
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ARG002 - same
        return _NOWHERE

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
