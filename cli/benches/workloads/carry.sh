#!/usr/bin/env bash
# Carries a patched image to a site on a medium, with one tool or another: what the rows "on a medium" of the benchmark run.
#   carry.sh ready|send|sent|receive|received FOLDER BASE TARGET TOOL [OPTION]...
# ready     puts headquarters, the site and an empty medium into FOLDER
# send      headquarters writes the medium, durable: this is what the rows of headquarters time
# sent      prints how many bytes lie on the medium
# receive   the site gets the target as a raw file, durable: this is what the rows of the site time
# received  shows with cmp that it did, and prints what sent prints
# TOOL is xdelta3-1, xdelta3-9, or the path of an imgdelta, whose deploy gets the options. Images are linked, not copied.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
stage=$1 base=$3 target=$4 tool=$5
mkdir -p "$2"
cd "$2"
shift 5
export LC_ALL=C
site_cache=$PWD/site/cache

imgdelta_ready() {
  "$tool" repo init hq -q
  "$tool" repo add hq/base.raw hq/patched.raw --in-place --repo hq -q
  "$tool" repo init site --format raw -q
  XDG_CACHE_HOME=$site_cache "$tool" repo add site/base.raw --in-place --repo site -q
}
imgdelta_send() { "$tool" deploy patched --repo hq --for site -o stick -q "$@"; }
imgdelta_receive() { XDG_CACHE_HOME=$site_cache "$tool" receive stick --repo site -q; }

xdelta3_send() {
  xdelta3 "-${tool#xdelta3-}" -f -e -s hq/base.raw hq/patched.raw stick/delta
  sync stick/delta
}
xdelta3_receive() {
  xdelta3 -f -d -s site/base.raw stick/delta site/patched.raw
  sync site/patched.raw
}

case $tool in
  xdelta3-*) name=xdelta3 ;;
  *) name=imgdelta ;;
esac
on_medium() { find stick -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'; }
case $stage in
  ready)
    mkdir hq site stick
    ln -L "$base" hq/base.raw
    ln -L "$target" hq/patched.raw
    ln -L "$base" site/base.raw
    [ "$name" = xdelta3 ] || imgdelta_ready
    ;;
  send | receive) "${name}_$stage" "$@" ;;
  sent) on_medium ;;
  received)
    cmp site/patched.raw "$target" >&2
    on_medium
    ;;
  *) echo "carry.sh: no stage is called $stage" >&2; exit 2 ;;
esac
