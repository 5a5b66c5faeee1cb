#!/usr/bin/env bash
# Builds imgdelta and does its main job on images that the repository makes: golden image, patched image, child, attach, proof.
#   ./story [FOLDER]                works in FOLDER (default target/story), where nothing stands yet, or an earlier story
#   ./story --images DIR FOLDER     builds nothing: the imgdelta that is installed, and golden.vhd and patched.vhd in DIR
set -euo pipefail
images=
if [ "${1:-}" = --images ]; then
  images=$(cd "$2" && pwd)
  folder=$3
else
  cd "$(dirname "$0")"
  folder=${1:-target/story}
fi
mark=.imgdelta-story
# Whatever else stands in a folder is somebody's.
if [ -e "$folder" ] && [ ! -e "$folder/$mark" ] && [ -n "$(ls -A "$folder" 2>/dev/null || echo file)" ]; then
  echo "error: $folder: is not empty and no folder of an earlier story: nothing was changed" >&2
  echo "hint: name a folder that is not there yet" >&2
  exit 2
fi
if [ -z "$images" ]; then
  cargo build --quiet --release -p imgdelta-cli
  cargo build --quiet --release -p imgdelta-fixtures --bin fixture
  export PATH=$PWD/target/release:$PATH
fi
rm -rf "$folder"
mkdir -p "$folder"/{hq,stick,site}
touch "$folder/$mark"
if [ -n "$images" ]; then
  cp "$images"/{golden,patched}.vhd "$folder/hq"
else
  fixture golden "$folder/hq" >/dev/null
fi
# The site got its copy of the golden image long ago; by now it has another name.
cp "$folder/hq/golden.vhd" "$folder/site/Golden Disk.vhd"
cd "$folder"
# The story is the same whatever was remembered before.
export IMGDELTA_CACHE=$PWD/cache

run() { # shows a command and what it prints
  printf '$'; printf ' %q' "$@"; printf '\n'
  "$@"
}

echo "# at headquarters: the difference between the golden image and the patched one, as a child VHD"
run imgdelta make -b hq/golden.vhd -t hq/patched.vhd -o stick/november.vhd
run ls -s --block-size=K hq/patched.vhd stick
echo
echo "# at the site: the child is linked to the local copy of the golden image, which is proven first"
run cp stick/november.vhd stick/november.vhd.manifest.json site
run imgdelta attach site/november.vhd -b "site/Golden Disk.vhd"
run imgdelta info site/november.vhd
echo
echo "# the child over its base is the patched image, bit for bit"
run imgdelta compare site/november.vhd hq/patched.vhd
run imgdelta digest site/november.vhd
run imgdelta digest hq/patched.vhd
echo
echo "# or as a full image, in any format"
run imgdelta apply site/november.vhd -b "site/Golden Disk.vhd" -o site/full.qcow2
run imgdelta compare site/full.qcow2 hq/patched.vhd
echo
echo "# the wrong base is refused at the first region that differs, and nothing is left"
if run imgdelta apply site/november.vhd -b hq/patched.vhd -o site/wrong.qcow2; then
  echo "error: a wrong base was taken" >&2
  exit 1
fi
