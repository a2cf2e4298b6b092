# shellcheck shell=bash
# Sourced by ../../../pants and ../../../.pants.bootstrap when something is missing. Finds Pythons, and runs
# first_call.py for the rest. Works with macOS' bash 3.2.

# Python programs that print why a Python is not suitable, and nothing if it is. The first gets a version,
# such as 3.9. pip needs distutils up to 3.11, and Debian packages it separately.
_pants_try_version='
import sys
found = "%d.%d" % sys.version_info[:2]
if sys.implementation.name != "cpython" or found != sys.argv[1]:
    sys.exit(print("is", sys.implementation.name, found))
modules = {"ssl": "", "venv": "python%s-venv" % found, "zlib": ""}
if sys.version_info < (3, 12):
    modules["distutils.cmd"] = "python3-distutils"
for module, package in sorted(modules.items()):
    try:
        __import__(module)
    except ImportError:
        advice = "(on Debian: apt install %s)" % package if package else ""
        sys.exit(print("lacks the module", module, advice))
'
_pants_try_any='
import sys
if sys.version_info < (3, 8):
    sys.exit(print("is %d.%d" % sys.version_info[:2]))
for module in ("fcntl", "ssl", "zipfile", "zlib"):
    try:
        __import__(module)
    except ImportError:
        sys.exit(print("lacks the module", module))
'

# The paths where a CPython $1 (such as 3.9) may be, the likeliest first. Pants itself also looks here, ...
_pants_places_in_sight() {
  local place
  type -aP "python$1" || true
  type -aP python3 || true
  for place in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/"bin/python$1"; do
    if [[ -x $place ]]; then echo "$place"; fi
  done
}

# ... but not here. The last is the Python of an earlier installation of Pants. The caller sets `cache`.
_pants_places_elsewhere() {
  # shellcheck disable=SC2154
  local known=$cache data=${XDG_DATA_HOME:-$HOME/.local/share} place
  for place in \
    "${UV_PYTHON_INSTALL_DIR:-$data/uv/python}/cpython-$1"*/"bin/python$1" \
    "${ASDF_DATA_DIR:-$HOME/.asdf}/installs/python/$1".*/"bin/python$1" \
    "${MISE_DATA_DIR:-$data/mise}/installs/python/$1"*/"bin/python$1" \
    "${HOMEBREW_PREFIX:-/opt/homebrew}/opt/python@$1/bin/python$1" \
    "/usr/local/opt/python@$1/bin/python$1" \
    "/home/linuxbrew/.linuxbrew/opt/python@$1/bin/python$1" \
    "/Library/Frameworks/Python.framework/Versions/$1/bin/python$1" \
    /Library/Developer/CommandLineTools/usr/bin/python3 \
    /Applications/Xcode.app/Contents/Developer/usr/bin/python3 \
    "$known"/pants-*-"py$1-$OSTYPE-$HOSTTYPE/bin/python"; do
    if [[ -x $place ]]; then echo "$place"; fi
  done
}

# All Pythons that can run first_call.py.
_pants_places_of_any() {
  local minor
  for minor in 13 12 11 10 9 14 15 8; do
    _pants_places_in_sight "3.$minor"
    _pants_places_elsewhere "3.$minor"
  done
}

# Prints why the Python at $1 fails the check $2 for the version $3, and nothing if it passes. For example,
# pyenv's shims exist but fail.
_pants_refusal() {
  local output
  # Without Apple's command line tools, this one only opens a window that offers to install them.
  if [[ $1 == /usr/bin/python3 && $OSTYPE == darwin* ]] && ! xcode-select -p >/dev/null 2>&1; then
    echo "needs Apple's command line tools"
  elif ! output=$("$1" -I -c "$2" "$3" 2>/dev/null </dev/null); then
    echo "${output:-does not run}"
  else
    echo "$output"
  fi
}

# Sets $python to the first path on stdin that passes the check $1 for the version $2. Adds the others, with
# the reason, to $tried.
_pants_pick() {
  local place refusal
  while IFS= read -r place; do
    if [[ $tried == *$'\n'"    $place "* ]]; then continue; fi
    refusal=$(_pants_refusal "$place" "$1" "$2")
    if [[ -z $refusal ]]; then
      python=$place
      return 0
    fi
    tried="$tried
    $place $refusal"
  done
  return 1
}

# Sets $python to a suitable CPython $1 of this machine, or to nothing, and $tried to the unsuitable ones. Sets
# $search to `add` if Pants does not find it by itself, and to `only` if Pants would find an unsuitable one.
_pants_find() {
  local pick=(_pants_pick "$_pants_try_version" "$1")
  python='' tried=''
  if [[ $1 == 3.9 && -n ${PANTS_PYTHON:-} ]]; then
    if [[ $search != only ]]; then search=add; fi
    # The user has set it, so no other Python is tried.
    "${pick[@]}" <<<"$PANTS_PYTHON"
  elif ! "${pick[@]}" < <(_pants_places_in_sight "$1"); then
    if [[ $search != only ]]; then search=add; fi
    if [[ $tried == *"lacks the module"* ]]; then search=only; fi
    "${pick[@]}" < <(_pants_places_elsewhere "$1")
  fi
}

# $1: the missing version; $2: the unsuitable Pythons; $3: why it could not be installed, if that was tried.
_pants_no_python() {
  local use='Your code runs on it' reason=''
  # shellcheck disable=SC2016 # For the reader's shell.
  local name='PATH="/folder/of/it:$PATH" ./pants'
  if [[ $1 == 3.9 ]]; then
    use='Pants itself runs on it, whatever your code runs on'
    name='PANTS_PYTHON=/path/to/python3.9 ./pants'
  fi
  if [[ -n $3 ]]; then
    reason="
  tried to install it with uv:
$3
  to use a mirror: set UV_PYTHON_INSTALL_MIRROR=https://… for Pythons, and pip's settings for uv itself"
  fi
  cat >&2 <<END
pants: no CPython $1 found. $use.
  searched: PANTS_PYTHON (for 3.9); python$1 and python3 on PATH; the $1 of pyenv, uv, asdf, mise, Homebrew, python.org, Xcode
  unsuitable:${2:- none found}$reason
  install one with:
    uv python install $1
    pyenv install $1
    brew install python@$1
    apt install python$1-venv       (Debian, Ubuntu: from deadsnakes if the release has none)
  or set its path: $name
END
}

# $1: the unsuitable Pythons.
_pants_no_python_at_all() {
  cat >&2 <<END
pants: no Python 3.8 or newer found. ./pants needs one to set itself up.
  unsuitable:${1:- none found}
  install one with:
    apt install python3              (Debian, Ubuntu)
    brew install python              (macOS)
END
}

# Fills the folder $1 with links to interpreters. For each pinned version in $2 (such as `3.9.25 3.13.18`),
# that is one of this machine, or else the pinned one, which first_call.py installs.
_pants_choose() {
  local pin number=0 python='' tried='' search=none any='' reason asked=() all_tried=()
  for pin in $2; do
    if ! _pants_find "${pin%.*}" && [[ $pin == 3.9.* && -n ${PANTS_PYTHON:-} ]]; then
      _pants_no_python 3.9 "$tried" ''
      return 1
    fi
    asked+=("$pin=$python")
    all_tried+=("$tried")
    any=${any:-$python}
  done
  if [[ -z $any ]]; then
    tried=''
    if ! _pants_pick "$_pants_try_any" any < <(_pants_places_of_any); then
      _pants_no_python_at_all "$tried"
      return 1
    fi
    any=$python
  fi
  # On failure, it prints to stdout which version it could not install, and why.
  if reason=$("$any" -IB "${BASH_SOURCE[0]%/*}/first_call.py" pythons "$1" "$search" "${asked[@]}" </dev/null); then
    return 0
  fi
  for pin in $2; do
    if [[ $reason == "$pin"$'\n'* ]]; then
      _pants_no_python "${pin%.*}" "${all_tried[$number]}" "${reason#*$'\n'}"
    fi
    number=$((number + 1))
  done
  return 1
}

# $1: `pants` or `pex-cli`; $2: the folder to create; $3: the folder of links to interpreters.
_pants_first_call() {
  local pins=''
  # The links are missing (a user may have set Pants' search path), or PANTS_PYTHON names another 3.9.
  if ! [[ -x $3/python3.9 ]] || [[ -n ${PANTS_PYTHON:-} && ! $PANTS_PYTHON -ef $3/python3.9 ]]; then
    _pants_python_pins "${BASH_SOURCE[0]%/*}/pythons.txt" || return 1
    _pants_choose "$3" "${pins%% *}" || return 1
  fi
  # Not through the link: a virtual environment of 3.9 would look for the standard library next to it.
  "$(readlink "$3/python3.9")" -IB "${BASH_SOURCE[0]%/*}/first_call.py" "$1" "$2" </dev/null
}
