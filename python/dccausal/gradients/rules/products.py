"""Matrix products."""

from __future__ import annotations

import string

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.tape import Tape


@rule("Gemm")
def gemm(tape: Tape, node: Node, g: str, *, weight: str | None = None) -> list[str | None]:
    """Return the gradients of ``alpha a b + beta c``; ``weight`` stands in for b, for other rules than this."""
    a, b = node.inputs[0], weight or node.inputs[1]
    trans_a, trans_b = node.get("transA", 0), node.get("transB", 0)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    c = node.input(2)

    def of_a() -> str:
        if trans_a:
            return tape.op("Gemm", b, g, alpha=alpha, transA=trans_b, transB=1)
        return tape.op("Gemm", g, b, alpha=alpha, transB=1 - trans_b)

    def of_b() -> str:
        if trans_b:
            return tape.op("Gemm", g, a, alpha=alpha, transA=1, transB=trans_a)
        return tape.op("Gemm", a, g, alpha=alpha, transA=1 - trans_a)

    def of_c() -> str:
        part = g if beta == 1 else tape.op("Mul", g, tape.number(beta, c))
        return tape.sum_to(part, c, node.outputs[0])

    return [
        of_a() if tape.wants(a) else None,
        of_b() if tape.wants(b) else None,
        of_c() if c and tape.wants(c) else None,
    ]


@rule("MatMul")
def matmul(tape: Tape, node: Node, g: str, *, weight: str | None = None) -> list[str | None]:
    """Return the gradients of ``a b``; ``weight`` stands in for b, which is constant then."""
    a, b = node.inputs
    if tape.rank(a) > 1 and tape.rank(b) == 2 and tape.is_free(b):  # noqa: PLR2004
        return [_by_gemm(tape, node, g, weight or b)]
    rows, columns = tape.rank(a) == 1, tape.rank(b) == 1
    left, right, full = a, b, g
    if rows:
        left, full = _unsqueeze(tape, left, 0), _unsqueeze(tape, full, -1 if columns else -2)
    if columns:
        right, full = _unsqueeze(tape, right, 1), _unsqueeze(tape, full, -1)
    found: list[str | None] = [None, None]
    if tape.wants(a):
        found[0] = _to_operand(tape, tape.op("MatMul", full, _turned(tape, right, b)), a, node, is_row=rows)
    if tape.wants(b):
        found[1] = _to_operand(tape, tape.op("MatMul", _turned(tape, left, a), full), b, node, is_row=columns)
    return found


def _by_gemm(tape: Tape, node: Node, g: str, b: str) -> str:
    """Multiply by a fixed matrix, whose transpose Gemm reads as it lies: no second copy of it is made."""
    width = tape.shape(node.inputs[1])[1]
    flat = tape.op("Reshape", g, tape.constant([-1, width]))
    return tape.reshape_like(tape.op("Gemm", flat, b, transB=1), node.inputs[0])


def _unsqueeze(tape: Tape, tensor: str, axis: int) -> str:
    return tape.op("Unsqueeze", tensor, tape.constant([axis]))


def _turned(tape: Tape, tensor: str, name: str) -> str:
    rank = max(tape.rank(name), 2)
    return tape.op("Transpose", tensor, perm=[*range(rank - 2), rank - 1, rank - 2])


def _to_operand(tape: Tape, gradient: str, name: str, node: Node, *, is_row: bool) -> str:
    """Sum over the axes along which an operand was repeated for the other one's batches."""
    if is_row:
        n_batches = max(tape.rank(node.inputs[0]), tape.rank(node.inputs[1]), 2) - 2
        return tape.reshape_like(tape.sum(gradient, range(n_batches)) if n_batches else gradient, name)
    small = tape.shape(name)
    other = tape.shape(node.inputs[1] if name == node.inputs[0] else node.inputs[0])
    n_batches, n_own = max(len(other) - 2, len(small) - 2), len(small) - 2
    large = [1] * (n_batches - len(other) + 2) + list(other[:-2])
    added = n_batches - n_own
    axes = [*range(added)]
    axes += [added + i for i in range(n_own) if small[i] == 1 and large[added + i] != 1]
    if axes:
        gradient = tape.sum(gradient, axes)
    return tape.reshape_like(gradient, name) if added else gradient


@rule("Einsum")
def _einsum(tape: Tape, node: Node, g: str) -> list[str | None]:
    """Form the same product of all other operands and of the result's gradient, the operand's letters last."""
    terms, result = _letters(tape, node)
    found: list[str | None] = []
    for index, (name, own) in enumerate(zip(node.inputs, terms, strict=True)):
        others = [term for at, term in enumerate(terms) if at != index]
        if not tape.wants(name):
            found.append(None)
            continue
        if len(set(own)) < len(own):
            raise ModelError(f"{node} takes a diagonal, for which there is no rule; write it as Gather")
        have = "".join(dict.fromkeys(c for c in own if c in result + "".join(others)))
        rest = [tensor for at, tensor in enumerate(node.inputs) if at != index]
        equation = ",".join([result, *others]) + "->" + have
        part = tape.op("Einsum", g, *rest, equation=equation)
        if have != own:
            missing = [axis for axis, c in enumerate(own) if c not in have]
            part = tape.expand_like(tape.op("Unsqueeze", part, tape.constant(missing)), name)
        found.append(part)
    return found


def _letters(tape: Tape, node: Node) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, with those that dots stand for."""
    left, arrow, result = str(node.get("equation")).replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        joined = "".join(terms).replace(".", "")
        result = "..." * ("..." in left) + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    free = [c for c in string.ascii_letters if c not in left + result]
    if "..." not in left:
        return terms, result
    ranks = [tape.rank(name) - len(t.replace("...", "")) for name, t in zip(node.inputs, terms, strict=True)]
    spread = max(rank for rank, t in zip(ranks, terms, strict=True) if "..." in t)
    spread_dims = {tape.shape(n)[:r] for n, t, r in zip(node.inputs, terms, ranks, strict=True) if "..." in t}
    if len(spread_dims) > 1:
        raise ModelError(f"{node} broadcasts by dots, for which there is no rule; write it as MatMul")
    dots = "".join(free[:spread])
    return [term.replace("...", dots) for term in terms], result.replace("...", dots)
