"""Links to documents on the run's page, without a secret in a history.

The key that signs links belongs to the worker. What signs is handed to the workflow as a function
from outside the sandbox, and only the current details, which no history keeps, are made with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from process.orders import IssuedDocument

_NAME: Final = "mileo_document_link"


class DocumentLinks(Interceptor):
    """Gives the runs of a worker the ``sign`` that makes the link of a document, from its SHA-256
    and its reference."""

    def __init__(self, sign: Callable[[str, str], str]) -> None:
        self._sign = sign

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK names it
    ) -> type[WorkflowInboundInterceptor] | None:
        """Hand ``sign`` over; intercept nothing."""
        input.unsafe_extern_functions[_NAME] = self._sign
        return None


def link_to(document: IssuedDocument) -> str | None:
    """Where a document can be read for some days from now; none without a public address."""
    sign = workflow.extern_functions().get(_NAME)
    return sign(document.sha256, document.reference) if sign else None
