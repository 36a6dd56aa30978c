"""How an engine is built and timed with a version of TensorRT: the calls of trtexec and of the Python module.

What differs between versions is what nas_sr.device_program.backends asks of the version that it finds.
"""

from __future__ import annotations

from nas_sr.export.formats.base import Target

USUAL = ("8.6", "10", "11")  # where the target names none


def versions(target: Target) -> tuple[str, ...]:
    """Those that the recipe is written for."""
    return target.tensorrt or USUAL


def number(version: str) -> tuple[int, ...]:
    """Of `8.5.2`, to compare: (8, 5)."""
    return tuple(int(part) for part in f"{version}.0".split(".")[:2])


def opset(target: Target) -> int:
    """The newest that all of a target's versions read."""
    return 13 if min(map(number, versions(target))) < (8, 5) else 17


def file(version: str, target: Target) -> str:
    """The file that an engine is built from: fp16 comes from a flag until version 10, later from the file."""
    height, width = target.lr_size
    precision = "fp16" if target.precision == "fp16" and number(version) >= (11, 0) else "fp32"
    return f"model-{height}x{width}-{precision}.onnx"


def build_command(version: str, target: Target) -> list[str]:
    """The call of trtexec that builds the engine."""
    new = number(version) >= (8, 6)
    workspace = "--memPoolSize=workspace:" if number(version) >= (8, 5) else "--workspace="
    words = ["trtexec", f"--onnx={file(version, target)}", "--saveEngine=model.engine"]
    if target.precision == "fp16" and number(version) < (11, 0):
        words.append("--fp16")
    words.append(f"{workspace}{target.workspace_mb}")
    if new:
        words.append(f"--builderOptimizationLevel={target.optimization_level}")
    return [*words, "--skipInference" if new else "--buildOnly"]


def time_command(version: str) -> list[str]:
    """The call of trtexec that times it. Version 11 turned the defaults of the last options round."""
    words = ["trtexec", "--loadEngine=model.engine", "--warmUp=1000", "--duration=3", "--iterations=200"]
    graph = ["--noCudaGraph"] if number(version) >= (11, 0) else []
    return [*words, "--noDataTransfers", "--useSpinWait", *graph]


def python_calls(version: str, target: Target) -> str:
    """The same build in Python."""
    flags = "0" if number(version) >= (11, 0) else "1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)"
    workspace = f"{target.workspace_mb} << 20"
    lines = [
        "import tensorrt as trt",
        "",
        "log = trt.Logger(trt.Logger.WARNING)",
        "builder = trt.Builder(log)",
        f"network = builder.create_network({flags})",
        "parser = trt.OnnxParser(network, log)",
        f'with open("{file(version, target)}", "rb") as model:',
        "    assert parser.parse(model.read()), parser.get_error(0).desc()",
        "config = builder.create_builder_config()",
    ]
    if number(version) >= (8, 5):
        lines.append(f"config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, {workspace})")
    else:
        lines.append(f"config.max_workspace_size = {workspace}")
    if number(version) >= (8, 6):
        lines.append(f"config.builder_optimization_level = {target.optimization_level}")
    if target.precision == "fp16" and number(version) < (11, 0):
        lines.append("config.set_flag(trt.BuilderFlag.FP16)")
    lines += [
        'with open("model.engine", "wb") as engine:',
        "    engine.write(builder.build_serialized_network(network, config))",
    ]
    return "\n".join(lines)


def recipe(name: str, target: Target) -> str:
    """A page for all versions, in Markdown."""
    height, width = target.lr_size
    text = [
        f"# {name}: TensorRT engines for {target.name}",
        "",
        f"For an LR input of {width}x{height}, batch 1, in {target.precision}. An engine is built on the device that"
        " runs it, with the version that runs it; it fits no other. TensorRT 11 takes fp16 from the file, older ones"
        " from a flag.",
    ]
    for version in versions(target):
        text += [
            "",
            f"## TensorRT {version}",
            "",
            f"    {' '.join(build_command(version, target))}",
            f"    {' '.join(time_command(version))}",
            "",
            "In Python:",
            "",
            *(f"    {line}".rstrip() for line in python_calls(version, target).splitlines()),
        ]
    return "\n".join([*text, ""])
