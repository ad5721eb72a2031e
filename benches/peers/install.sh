#!/usr/bin/env bash
# Installs the peers of `cargo xtask bench --peers` into a folder outside the workspace: `benches/peers/install.sh FOLDER`.
#
# A peer that cannot be installed is skipped with a line that says so, and the bench goes on without it. Run again, the script
# installs what is missing; FOLDER/venv may also be a link to a virtual environment that exists. Needs python3 for PyTorch and
# onnxruntime (several GB: the wheel of PyTorch brings CUDA along), a C compiler for the tuned modes, cargo for candle and burn,
# node and npm for llama.cpp.
set -uo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
mkdir -p "$1" || exit 1
folder="$(cd "$1" && pwd)"
log="$folder/install.log"
python="$folder/venv/bin/python"
: >"$log"

# peer NAME FILE COMMAND…: runs COMMAND unless FILE is there; its output goes to the log.
peer() {
  local name="$1" file="$2"
  shift 2
  if [ -e "$file" ]; then
    echo "$name: installed"
  elif "$@" >>"$log" 2>&1 && [ -e "$file" ]; then
    echo "$name: installed now"
  else
    echo "$name: skipped, it could not be installed; see $log"
  fi
}

pytorch() {
  { [ -x "$python" ] || python3 -m venv "$folder/venv"; } &&
    { "$python" -c 'import torch, torchvision' || "$python" -m pip install torch torchvision numpy; } &&
    touch "$folder/pytorch.ok"
}

shim() {
  "${CC:-cc}" -shared -fPIC -O2 -o "$folder/libmkl_avx512.so" "$here/mkl_avx512.c"
}

onnx() {
  { "$python" -c 'import onnx, onnxruntime' || "$python" -m pip install onnx onnxruntime; } &&
    rm -rf "$folder/onnx.part" &&
    "$python" "$here/python/export_onnx.py" "$folder/onnx.part" &&
    mv "$folder/onnx.part" "$folder/onnx"
}

rust() {
  (cd "$here/rust" && CARGO_TARGET_DIR="$folder/target" cargo build --release --locked --keep-going)
}

llama() {
  mkdir -p "$folder/llama" && cp "$here/llama/package.json" "$here/llama/side.mjs" "$folder/llama/" &&
    (cd "$folder/llama" && npm install --no-audit --no-fund) &&
    { "$python" -c 'import gguf' || "$python" -m pip install gguf; } &&
    for kind in f32 bf16; do
      "$python" "$here/python/gguf_model.py" "$folder/llama/$kind.part" "$kind" || return 1
    done &&
    mv "$folder/llama/f32.part" "$folder/llama/f32.gguf" && mv "$folder/llama/bf16.part" "$folder/llama/bf16.gguf"
}

peer "PyTorch" "$folder/pytorch.ok" pytorch
peer "PyTorch, tuned" "$folder/libmkl_avx512.so" shim
peer "onnxruntime" "$folder/onnx" onnx
peer "candle" "$folder/target/release/peer-candle" rust
peer "burn" "$folder/target/release/peer-burn" rust
peer "llama.cpp" "$folder/llama/bf16.gguf" llama
