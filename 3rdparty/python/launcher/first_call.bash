# shellcheck shell=bash
# Sourced by ../../../pants and ../../../.pants.bootstrap when something is not there yet: finds a Python
# and lets first_call.py do the rest. Works with macOS' bash 3.2.

# Both are one Python program: prints nothing where the Python will do, else why it will not.
_pants_try_39='
import sys
if sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 9):
    sys.exit(print("is", sys.implementation.name, "%d.%d" % sys.version_info[:2]))
for module in ("ssl", "zlib", "venv", "ensurepip"):
    try:
        __import__(module)
    except ImportError:
        sys.exit(print("lacks the module", module, "(on Debian: apt install python3.9-venv)"))
'
_pants_try_any='
import sys
from importlib.util import find_spec
if sys.version_info < (3, 8):
    sys.exit(print("is %d.%d" % sys.version_info[:2]))
if not find_spec("pip") and not find_spec("ensurepip"):
    sys.exit(print("has neither pip nor ensurepip"))
'

# Where a CPython 3.9 may be, one path a line, the likeliest first.
_pants_places_of_39() {
  local home=~ data place
  data=${XDG_DATA_HOME:-$home/.local/share}
  type -aP python3.9 || true
  type -aP python3 || true
  for place in \
    "${PYENV_ROOT:-$home/.pyenv}"/versions/3.9.*/bin/python3.9 \
    "${UV_PYTHON_INSTALL_DIR:-$data/uv/python}"/cpython-3.9*/bin/python3.9 \
    "${ASDF_DATA_DIR:-$home/.asdf}"/installs/python/3.9.*/bin/python3.9 \
    "${MISE_DATA_DIR:-$data/mise}"/installs/python/3.9*/bin/python3.9 \
    "${HOMEBREW_PREFIX:-/opt/homebrew}/opt/python@3.9/bin/python3.9" \
    /usr/local/opt/python@3.9/bin/python3.9 \
    /home/linuxbrew/.linuxbrew/opt/python@3.9/bin/python3.9 \
    /Library/Frameworks/Python.framework/Versions/3.9/bin/python3.9 \
    /Library/Developer/CommandLineTools/usr/bin/python3 \
    /Applications/Xcode.app/Contents/Developer/usr/bin/python3; do
    if [[ -x $place ]]; then echo "$place"; fi
  done
}

# Says why the Python at $1 does not pass the check $2; nothing if it does. pyenv's shims, for one, exist but fail.
_pants_refusal() {
  local said
  # Without Apple's command line tools this one only opens a window that offers them.
  if [[ $1 == /usr/bin/python3 && $OSTYPE == darwin* ]] && ! xcode-select -p >/dev/null 2>&1; then
    echo "needs Apple's command line tools"
  elif ! said=$("$1" -I -c "$2" 2>/dev/null </dev/null); then
    echo "${said:-does not run}"
  else
    echo "$said"
  fi
}

_pants_no_python() {
  cat >&2 <<END
pants: no CPython 3.9 found. Pants itself runs on it, whatever your code runs on.
  looked at: PANTS_PYTHON; python3.9 and python3 on PATH; the 3.9 of pyenv, uv, asdf, mise, Homebrew, python.org, Xcode
  tried:${1:- none is there}
  install one of:
    uv python install 3.9
    pyenv install 3.9
    brew install python@3.9
    xcode-select --install           (macOS: Xcode's python3 is 3.9)
    apt install python3.9-venv       (Debian, Ubuntu: from deadsnakes where the release has none)
  or name one: PANTS_PYTHON=/path/to/python3.9 ./pants
END
}

# Sets $python to the first of the places given on stdin that passes the check $1, $tried to those that do not.
_pants_pick_python() {
  local place refusal
  while IFS= read -r place; do
    refusal=$(_pants_refusal "$place" "$1")
    if [[ -z $refusal ]]; then
      python=$place
      return 0
    fi
    tried="$tried
    $place $refusal"
  done
  return 1
}

# $1: `pants` or `pex-cli`; $2: the folder to make.
_pants_first_call() {
  local python='' tried='' places
  if [[ -n ${PANTS_PYTHON:-} ]]; then
    # Said by name: no other is taken in its place.
    places=$PANTS_PYTHON
  else
    places=$(_pants_places_of_39)
  fi
  if ! _pants_pick_python "$_pants_try_39" <<<"$places"; then
    # The PEX CLI comes out the same from any Python 3.
    if [[ $1 != pex-cli ]] || ! _pants_pick_python "$_pants_try_any" <<<"$places"; then
      _pants_no_python "$tried"
      return 1
    fi
  fi
  "$python" -I "${BASH_SOURCE[0]%/*}/first_call.py" "$1" "$2" </dev/null
}
