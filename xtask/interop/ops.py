"""Replays PyTorch's own samples (OpInfo of torch.testing) against `gradus op run`: forward and gradient, in f64 and f32.

Every OpInfo whose name is an op of ours, or stands in MAP, is replayed. For each op a line says how many samples passed, were refused
by us with an error, were outside (a parameter or dtype that our op does not have), and failed. A sample fails if PyTorch computes it and our
result differs, or if we compute what PyTorch's forward refuses nothing of. An op in DIFFERENT differs on purpose: docs/numerics.md says why.
"""

import argparse
import collections
import concurrent.futures
import inspect
import json
import pathlib
import subprocess
import sys
import warnings

import safetensors.torch
import torch
from torch.testing._internal.common_methods_invocations import op_db

warnings.filterwarnings("ignore")

# OpInfo -> our op, where names differ. None: another function under a name of ours, or one whose results cannot be compared.
MAP = {
    "max:reduction_with_dim": "max_dim",
    "max:reduction_no_dim": "max",
    "max:binary": "maximum",
    "min:reduction_with_dim": "min_dim",
    "min:reduction_no_dim": "min",
    "min:binary": "minimum",
    "true_divide": "div",
    "broadcast_to": "expand",
    "nn.functional.logsigmoid": "log_sigmoid",
    "nn.functional.unfold": "unfold",
    "unfold": "unfold_copy",
    "unfold_copy": "unfold_copy",
    "mm": "matmul",
    "mv": "matmul",
    "linalg.vector_norm": "norm",
    "linalg.diagonal": "diagonal",
    "pinverse": "pinv",
    "norm": None,  # torch.norm is deprecated; linalg.vector_norm stands for it
    "norm:fro": None,
    "norm:nuc": None,
    "norm:inf": None,
    "linalg.norm": None,
    "nn.functional.pad:constant": "pad",
    "t": None,
    "split_with_sizes": "split",
    "nn.functional.scaled_dot_product_attention": "scaled_dot_product_attention",
    "nn.functional.interpolate:nearest": "interpolate",
    "nn.functional.interpolate:nearest-exact": "interpolate",
    "nn.functional.interpolate:linear": "interpolate",
    "nn.functional.interpolate:bilinear": "interpolate",
    "nn.functional.interpolate:bicubic": "interpolate",
    "nn.functional.interpolate:trilinear": "interpolate",
    "nn.functional.interpolate:area": "interpolate",
    "nn.functional.batch_norm:without_cudnn": "batch_norm",
    "nn.functional.max_unpool1d:grad": "max_unpool1d",
    "nn.functional.max_unpool2d:grad": "max_unpool2d",
    "nn.functional.max_unpool3d:grad": "max_unpool3d",
    # random: masks differ from PyTorch's by design
    "nn.functional.dropout": None,
    "nn.functional.dropout2d": None,
    "nn.functional.dropout3d": None,
    "nn.functional.alpha_dropout": None,
    "nn.functional.feature_alpha_dropout:with_train": None,
    "nn.functional.feature_alpha_dropout:without_train": None,
}

# PyTorch's parameter -> ours, where the names differ.
RENAMED = {
    "norm": {"ord": "p"},
    "searchsorted": {"sorted_sequence": "x", "self": "input"},
    "split": {"split_sizes": "split_size_or_sections"},
    "tensor_split": {
        name: "indices_or_sections" for name in ("sections", "indices", "tensor_indices_or_sections")
    },
    "*": {
        "self": "x",
        "input": "x",
        "other": "y",
        "tensors": "tensors",
        "source": "src",
        "exponent": "y",
        "A": "x",
        "B": "y",
        "LU": "x",
        "vec2": "y",
        "mat2": "y",
        "tensor": "y",
        "condition": "condition",
    },
}

# Parameters of functions that choose another one by `return_indices`, and so show none.
SIGNATURES = {
    f"nn.functional.adaptive_max_pool{n}d": [["input", "output_size", "return_indices"]] for n in (1, 2, 3)
}

# Outputs that are unique and compared; the others differ in sign or choice.
OUTPUTS = {"svd": [1], "eigh": [0], "mode": [0], "median_dim": [0], "kthvalue": [0], "lstsq": [0]}

# Relative tolerance in f64 where the condition of the op costs digits; f32 is scaled alike.
CONDITION = {
    "cholesky": 1e-9,
    "inv": 1e-9,
    "pinv": 1e-8,
    "solve": 1e-9,
    "lstsq": 1e-8,
    "svd": 1e-8,
    "svdvals": 1e-9,
    "eigh": 1e-8,
    "eigvalsh": 1e-9,
    "qr": 1e-8,
    "det": 1e-9,
    "slogdet": 1e-9,
    "matrix_exp": 1e-9,
}
F64 = 1e-10
F32 = 5e-5

# Results that differ on purpose: op, a part of what is reported, and why; docs/numerics.md has a line for each.
DIFFERENT = [
    ("addcdiv", "PyTorch nan", "a value of 0 cuts the gradient off, also where it divides by 0"),
    ("ctc_loss", "grad.x", "PyTorch adds e^x, which is right behind a log-softmax only"),
    ("hardsigmoid", "grad.x", "PyTorch multiplies by 1/6 rounded to f32, also in f64"),
    ("cholesky_solve", "grad.input2", "PyTorch gives a gradient to the triangle that is not read"),
    ("pinv", "'hermitian': True", "PyTorch gives a gradient to the triangle that is not read"),
    ("hypot", "PyTorch inf", "PyTorch's gradient overflows where the quotient does not"),
    ("max_unpool1d", "grad.x", "of values written to one place the last stays, and alone has a gradient"),
    ("max_unpool2d", "grad.x", "of values written to one place the last stays, and alone has a gradient"),
    ("max_unpool3d", "grad.x", "of values written to one place the last stays, and alone has a gradient"),
]


class Outside(Exception):
    """A parameter or dtype that our op does not have."""


def schemas(info):
    """Parameter names of the function behind an OpInfo, one list for each overload."""
    found = []
    try:
        found.append([p.name for p in inspect.signature(info.op).parameters.values()])
    except (TypeError, ValueError):
        pass
    for name in {info.name.split(".")[-1], info.aten_name or "", info.name.replace(".", "_")}:
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}"):
            names = [argument.name for argument in schema.arguments]
            if "out" not in names and "self.out" not in names:
                found.append(names)
    found = [[name for name in names if name not in ("args", "kwargs")] for names in found]
    return [names for names in found if names]


def is_tensor_list(value):
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(v, torch.Tensor) for v in value)


def named(info, ours, sample):
    """The sample's arguments under our names."""
    given = [sample.input, *sample.args]
    if len(ours["inputs"]) == 1 and ours["lists"] and all(isinstance(value, torch.Tensor) for value in given):
        given = [given]  # f(a, b, c) for f([a, b, c])
    order = [*ours["inputs"], *ours["attrs"]]
    rename = {**RENAMED["*"], **RENAMED.get(ours["op"], {})}

    def our_name(name):
        return name if name in order else rename.get(name, name)

    best = None
    for order_of, names in enumerate([*schemas(info), *SIGNATURES.get(info.name, [])]):
        names = [our_name(name) for name in names]
        if len(given) > len(names) or any(our_name(key) not in names for key in sample.kwargs):
            continue
        call = dict(zip(names, given))
        call.update({our_name(key): value for key, value in sample.kwargs.items()})
        strangers = [key for key, value in call.items() if key not in order and value is not None]
        misplaced = [key for key, value in call.items() if isinstance(value, torch.Tensor) and key in ours["attrs"] and value.dim() > 0]
        rank = (len(strangers) + len(misplaced), order_of)
        if best is None or rank < best[0]:
            best = (rank, call, strangers)
    if best is None:
        call = dict(zip(order, given))
        call.update({our_name(key): value for key, value in sample.kwargs.items()})
        best = (None, call, [key for key in call if key not in order])
    if best[1].pop("return_indices", None) is not None:
        best[2].clear()
    if best[1].get("dropout_p"):
        raise Outside("random")
    size = best[1].get("output_size")
    if isinstance(size, (list, tuple)) and None in size:
        # None keeps a side; we want it said.
        sides = sample.input.shape[-len(size) :]
        best[1]["output_size"] = [side if wanted is None else wanted for side, wanted in zip(sides, size)]
    for key in best[2]:
        value = best[1].pop(key)
        # A tensor under a name that we do not know takes our next free input.
        free = [name for name in ours["inputs"] if name not in best[1]]
        if (isinstance(value, torch.Tensor) or is_tensor_list(value)) and free:
            best[1][free[0]] = value
        elif key in ("out_int32", "as_tuple") and value is False:
            continue  # what we do, too
        elif key == "unbiased" and "correction" in ours["attrs"]:
            best[1]["correction"] = int(value)
        else:
            raise Outside(key)
    if isinstance(best[1].get("dim"), bool):  # the overload var(x, unbiased)
        best[1]["correction"] = int(best[1].pop("dim"))
    return best[1]


WORDS = {float("inf"): "inf", float("-inf"): "-inf"}


def plain(value):
    """An attribute as JSON."""
    if isinstance(value, torch.Tensor):
        return plain(value.item()) if value.dim() == 0 else [plain(v) for v in value.tolist()]
    if isinstance(value, float):
        return "nan" if value != value else WORDS.get(value, value)
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, (list, tuple, torch.Size)):
        return [plain(v) for v in value]
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout, complex, slice)):
        raise Outside(str(value))
    raise Outside(type(value).__name__)


def prepare(ours, call, dtype):
    """Tensors by file name, attributes."""
    tensors, attrs = {}, {}
    for name, value in call.items():
        if name == "dims" and isinstance(value, (list, tuple)) and "dims_self" in ours["attrs"]:
            attrs["dims_self"], attrs["dims_other"] = plain(value)
        elif name in ours["attrs"] and not (isinstance(value, torch.Tensor) and name in ours["inputs"]):
            if isinstance(value, torch.Tensor) and value.dim() > 0 and not ours["attrs"][name]["type"].endswith("[]"):
                raise Outside(f"a tensor for the number {name}")
            if value is not None:
                attrs[name] = plain(value)
        elif name in ours["lists"]:
            if isinstance(value, torch.Tensor):
                value = [value]
            for i, item in enumerate(value):
                tensors[f"{name}.{i}"] = item
        elif isinstance(value, torch.Tensor):
            tensors[name] = value
        elif isinstance(value, bool):
            tensors[name] = torch.tensor(value)
        elif isinstance(value, (int, float)):
            tensors[name] = torch.tensor(float(value), dtype=dtype)
        elif value is not None:
            raise Outside(f"{name}: {type(value).__name__}")
    kept = {}
    for name, tensor in tensors.items():
        if tensor.is_sparse or tensor.layout != torch.strided or tensor.dtype.is_complex:
            raise Outside(str(tensor.layout))
        index = ours["kinds"][name.rsplit(".", 1)[0] if name not in ours["kinds"] else name] == "index"
        if tensor.dtype in (torch.int32, torch.int16, torch.int8) or index and tensor.dtype == torch.uint8:
            tensor = tensor.to(torch.int64)
        if tensor.dim() > 8:
            raise Outside("rank above 8")
        kept[name] = tensor
    return kept, attrs


def flat(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [out for out in outputs if isinstance(out, torch.Tensor)]


def differs(got, want, tolerance):
    """What is different, or None."""
    if got.shape != want.shape:
        return f"shape {tuple(got.shape)}, PyTorch {tuple(want.shape)}"
    got, want = got.detach().double(), want.detach().double()
    if got.numel() == 0:
        return None
    same = (got == want) | (got.isnan() & want.isnan())
    finite = want[want.isfinite()].abs()
    scale = 1.0 + (finite.max().item() if finite.numel() else 0.0)
    near = (got - want).abs() <= tolerance * scale
    bad = ~(same | near)
    if bad.any():
        at = bad.nonzero()[0].tolist()
        return f"at {at}: {got[tuple(at)].item()!r}, PyTorch {want[tuple(at)].item()!r}; {int(bad.sum())} of {bad.numel()} differ"
    return None


def judged(op, kind, why):
    """A failure that is a difference on purpose is called that."""
    if kind == "failed":
        for name, part, reason in DIFFERENT:
            if name == op and part in why:
                return "different", reason
    return kind, why


def mapped(f, value):
    """`f` of a tensor, or of each tensor of a list."""
    if is_tensor_list(value):
        return type(value)(f(v) for v in value)
    return f(value) if isinstance(value, torch.Tensor) else value


def rebuilt(sample, f):
    """The sample with `f` of each of its tensors."""
    kwargs = {key: mapped(f, value) for key, value in sample.kwargs.items()}
    return type(sample)(mapped(f, sample.input), args=tuple(mapped(f, value) for value in sample.args), kwargs=kwargs)


def widened(sample):
    return rebuilt(sample, lambda x: x.double() if x.dtype == torch.float32 else x)


class Theirs:
    """What PyTorch computes for a sample, forward and backward."""

    def __init__(self, info, ours, sample, dtype, seed):
        self.ours = ours
        live = rebuilt(sample, lambda x: x.detach().clone().requires_grad_(x.dtype.is_floating_point))
        tensors, _ = prepare(ours, named(info, ours, live), dtype)
        try:
            outputs = flat(info.op(live.input, *live.args, **live.kwargs))
        except Exception as error:  # noqa: BLE001: PyTorch refuses its own sample for some dtypes
            raise Outside(f"PyTorch: {error}") from error
        if any(out.dtype.is_complex for out in outputs):
            raise Outside("complex result")
        if not ours["many_outputs"]:
            outputs = outputs[:1]  # such as pooling with return_indices: ours is another op then
        compared = OUTPUTS.get(ours["op"], range(len(outputs)))
        self.outputs = {i: outputs[i] for i in compared if i < len(outputs)}
        torch.manual_seed(seed)
        self.flowing = {
            i: torch.randn(out.shape, dtype=torch.float64).to(out.dtype)
            for i, out in self.outputs.items()
            if ours["differentiable"] and out.requires_grad and out.dtype.is_floating_point
        }
        self.grads = {}
        wanted = {name: x for name, x in tensors.items() if x.requires_grad and x.is_leaf}
        if self.flowing:
            self.grads = self.backward(wanted)

    def backward(self, wanted):
        starts = [self.outputs[i] for i in self.flowing]
        try:
            found = torch.autograd.grad(starts, list(wanted.values()), list(self.flowing.values()), allow_unused=True)
        except RuntimeError as error:  # a function without a derivative in PyTorch
            raise Outside(f"PyTorch: {error}") from error
        return {
            name: torch.zeros_like(x) if grad is None else grad
            for (name, x), grad in zip(wanted.items(), found)
            if self.ours["kinds"].get(name) != "constant"  # class weights and running statistics have no gradient with us
        }

    def name(self, stem, i):
        return f"{stem}.{i}" if self.ours["many_outputs"] else stem

    def compare(self, got, tolerance):
        """What is different in our results, or None."""
        wanted = {self.name("out", i): (out, tolerance) for i, out in self.outputs.items()}
        wanted.update({f"grad.{name}": (grad, 10 * tolerance) for name, grad in self.grads.items()})
        for name, (want, tolerance) in wanted.items():
            what = differs(got[name], want, tolerance) if name in got else "is missing"
            if what:
                return f"{name}: {what}"
        return None


class Replay:
    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        done = subprocess.run([binary, "op", "list", "--json"], capture_output=True, text=True, check=True)
        self.ops = {line["op"]: line for line in map(json.loads, done.stdout.splitlines())}

    def ours(self, info):
        full = info.name + (":" + info.variant_test_name if info.variant_test_name else "")
        if full in MAP:
            name = MAP[full]
        elif info.name in MAP:
            name = MAP[info.name]
        else:
            name = info.name.split(".")[-1]
            if info.name.split(".")[0] in ("masked", "fft", "special", "signal", "sparse", "_refs"):
                name = name if info.name.startswith("special.") else None
        return self.ops.get(name)

    def sample(self, info, ours, sample, dtype, number):
        """`passed`, or (`refused` | `outside` | `failed`, why)."""
        try:
            tensors, attrs = prepare(ours, named(info, ours, sample), dtype)
            theirs = Theirs(info, ours, sample, dtype, number)
        except Outside as what:
            return "outside", str(what)
        about = f"{attrs} {({name: tuple(x.shape) for name, x in tensors.items()})}"
        kind, answer = self.run(ours, tensors, attrs, theirs, number)
        if kind != "passed":
            return kind, f"{about}: {answer}"
        tolerance = CONDITION.get(ours["op"], F64)
        if dtype == torch.float32:
            tolerance = F32 * tolerance / F64
        what = theirs.compare(answer, tolerance)
        if what and dtype == torch.float32:
            # PyTorch's own f32 may be the one that is off: f64 at the same points decides.
            what = Theirs(info, ours, widened(sample), torch.float64, number).compare(answer, tolerance) and what
        return ("failed", f"{about}: {what}") if what else ("passed", "")

    def run(self, ours, tensors, attrs, theirs, number):
        """Our results by name, or why there are none."""
        stem = self.work / f"{ours['op']}-{number}"
        source, target = stem.with_suffix(".in"), stem.with_suffix(".out")
        stored = {name: x.detach().contiguous().clone() for name, x in tensors.items()}
        for i, grad in theirs.flowing.items():
            stored[theirs.name("grad_out", i)] = grad
        safetensors.torch.save_file(stored, source)
        command = [self.binary, "op", "run", ours["op"], "--attrs", json.dumps(attrs), "--inputs", source, "--output", target]
        if theirs.flowing:
            command.append("--grad")
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError:
            return "failed", f"exit {done.returncode}: {done.stderr[-300:]}"
        if not answer["ok"]:
            return "refused", answer["error"]
        got = safetensors.torch.load_file(target)
        source.unlink()
        target.unlink()
        return "passed", got

    def samples(self, info):
        for dtype in (torch.float64, torch.float32):
            if dtype not in info.supported_dtypes("cpu"):
                continue
            torch.manual_seed(0)
            try:
                for sample in info.sample_inputs("cpu", dtype, requires_grad=False):
                    yield dtype, sample
            except Exception as error:  # noqa: BLE001: a generator that needs what this machine lacks
                print(f"     {info.name}: samples: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gradus", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--op", help="only this op of ours")
    parser.add_argument("--verbose", action="store_true", help="say why samples were refused or outside")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    replay = Replay(args.gradus, args.work)
    totals, broken, replayed = collections.Counter(), [], set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for info in op_db:
            ours = replay.ours(info)
            if ours is None or (args.op and ours["op"] != args.op):
                continue
            jobs = [
                (str(dtype)[6:], pool.submit(replay.sample, info, ours, sample, dtype, number))
                for number, (dtype, sample) in enumerate(replay.samples(info))
            ]
            results = [(dtype, *judged(ours["op"], *job.result())) for dtype, job in jobs]
            counts = collections.Counter(kind for _, kind, _ in results)
            totals.update(counts)
            replayed.add(ours["op"])
            bad = counts["failed"]
            full = info.name + (":" + info.variant_test_name if info.variant_test_name else "")
            numbers = " ".join(f"{kind} {counts[kind]}" for kind in ("passed", "different", "refused", "outside", "failed"))
            note = "".join(f" ({why})" for why in sorted({why for _, kind, why in results if kind == "different"}))
            print(f"{'FAIL' if bad else 'ok  '} {full} -> {ours['op']}: samples {len(results)} {numbers}{note}", flush=True)
            shown = collections.Counter()
            for dtype, kind, why in results:
                if kind == "failed" or (args.verbose and kind in ("refused", "outside")):
                    shown[kind] += 1
                    if shown[kind] <= (5 if args.verbose else 2):
                        print(f"       {kind} {dtype} {why[:400]}", flush=True)
            if bad:
                broken.append(full)
    missing = sorted(set(replay.ops) - replayed)
    print(f"ops of ours without OpInfo: {len(missing)}: {' '.join(missing)}")
    samples = sum(totals.values())
    print(f"samples {samples}: " + ", ".join(f"{kind} {totals[kind]}" for kind in ("passed", "different", "refused", "outside", "failed")))
    if broken:
        print(f"FAIL {len(broken)} OpInfos: {' '.join(broken)}")
        sys.exit(1)


main()
