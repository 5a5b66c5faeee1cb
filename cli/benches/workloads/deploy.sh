#!/usr/bin/env bash
# Brings a patched image to a site that has its base, with one tool or another: what the rows "deploy" of the benchmark run.
#   deploy.sh ready|send|sent FOLDER BASE TARGET TOOL
# ready  puts headquarters and the site into FOLDER, each with what it knew before the patch
# send   the site gets the target as a raw file beside its base, durable: this is what is timed
# sent   shows with cmp that it did, and prints how many bytes travelled
# TOOL is rsync, borg, casync, zstd (the whole image), or the path of an imgdelta. Images are linked, not copied: no tool writes
# to what it reads. What borg and casync knew is beside BASE in known/ (make.sh borg casync).
set -euo pipefail
[ $# = 5 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=$1 base=$3 target=$4 tool=$5
known=$(dirname "$base")/known
mkdir -p "$2"
cd "$2"
line="bash $here/line.sh"
export LC_ALL=C SITE_CACHE=$PWD/site/cache

# What each file that find names is long, in all.
lengths() { find "$@" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'; }

imgdelta_ready() {
  "$tool" repo init hq
  "$tool" repo add hq/base.raw hq/patched.raw --in-place --repo hq
  "$tool" repo init site --format raw
  XDG_CACHE_HOME=$SITE_CACHE "$tool" repo add site/base.raw --in-place --repo site
}
imgdelta_send() {
  IMGDELTA_SSH=$line "$tool" deploy patched --repo hq --to "ssh://here$PWD/site" --remote-program "$tool" --json >said
}
imgdelta_sent() { python3 -c 'import json, sys; print(json.load(sys.stdin)["bytes"])' <said; }

# A basis is looked for under the name of what comes.
rsync_ready() {
  mkdir site/had
  ln -L "$base" site/had/patched.raw
}
rsync_send() {
  rsync --rsh="$line" --copy-dest=had --ignore-times --sparse --compress --fsync --stats \
    hq/patched.raw "here:$PWD/site/" >said
}
rsync_sent() { awk '/^Total bytes (sent|received):/ { gsub(",", ""); sum += $4 } END { print sum }' said; }

# Headquarters writes to the repository that the site has, and the site unpacks from there.
borg_ready() {
  cp -a "$known/borg/repository" site/repository
  cp -a "$known/borg/home" hq/home
  lengths site/repository/data >before
}
borg_send() {
  # shellcheck source=borg.sh
  . "$here/borg.sh"
  export BORG_RSH=$line BORG_BASE_DIR=$PWD/hq/home
  (cd hq && borg create "${borg_settings[@]}" "ssh://here$(dirname "$PWD")/site/repository::patched" patched.raw)
  (cd site && borg extract --sparse repository::patched)
  sync site/patched.raw
}
borg_sent() { echo $(($(lengths site/repository/data) - $(<before))); }

# The site reads from headquarters' store what its base does not hold.
casync_ready() { cp -al "$known/store.castr" hq/store.castr; }
casync_send() {
  casync make --store=hq/store.castr hq/patched.caibx hq/patched.raw
  casync extract --store=hq/store.castr --seed=site/base.raw hq/patched.caibx site/patched.raw
  sync site/patched.raw
}
# A chunk that was known has its name in known/ too.
casync_sent() { lengths hq/store.castr hq/patched.caibx -links 1; }

zstd_send() {
  zstd -q -T0 -c hq/patched.raw | zstd -q -d --sparse -o site/patched.raw
  sync site/patched.raw
}
zstd_sent() { zstd -q -T0 -c hq/patched.raw | wc -c; }

case $tool in
  rsync | borg | casync | zstd) name=$tool ;;
  *) name=imgdelta ;;
esac
case $stage in
  ready)
    mkdir hq site
    ln -L "$base" hq/base.raw
    ln -L "$target" hq/patched.raw
    ln -L "$base" site/base.raw
    # The whole image needs no more than itself.
    [ "$name" = zstd ] || "${name}_ready"
    ;;
  send) "${name}_send" ;;
  sent)
    cmp site/patched.raw "$target" >&2
    [ site/base.raw -ef "$base" ] || { echo "deploy.sh: the site's base is gone" >&2; exit 1; }
    "${name}_sent"
    ;;
  *) echo "deploy.sh: no stage is called $stage" >&2; exit 2 ;;
esac
