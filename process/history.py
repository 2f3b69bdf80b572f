"""The past of an onboarding that was under way before the system arrived (PROCESS 6.12)."""

from __future__ import annotations

from process.contract import Contract
from process.refusals import Problem, told
from process.rules import Refused, read


def problems_of(contract: Contract, *, held: bool = False) -> list[Problem]:
    """What is wrong in the shape of the past facts, each with the path of its field; ``held`` by
    the rules under which the contract was taken before."""
    found = []
    for index, past in enumerate(contract.history):
        try:
            read(past.fact, (past.payload,), held=held)
        except Refused as refused:
            for line in str(refused).splitlines():
                path, colon, message = line.partition(" : ")
                where = f"history[{index}].payload.{path}" if colon else f"history[{index}]"
                found.append(Problem(where, message if colon else line))
    return told(found)
