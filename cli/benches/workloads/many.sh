#!/usr/bin/env bash
# A repository of many images, and the inventory of a site that has every other one of them.
#   many.sh IMGDELTA FOLDER COUNT [tree|chain|star]
# One image is added; the others are its record and its file again, under other ids, with leaf digests that differ a little from their parent's.
# Nothing of it can be verified: only what looks at records, files and leaves is measured on it. What is there already is kept.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
imgdelta=$1 folder=$2 count=$3 shape=${4:-tree}
[ -f "$folder/site.inv" ] && exit
rm -rf "$folder"
mkdir -p "$folder"
truncate -s 4M "$folder/image-0.raw"
printf 'the first of many' | dd of="$folder/image-0.raw" conv=notrunc status=none
"$imgdelta" -q repo init "$folder/hq"
"$imgdelta" -q repo add "$folder/image-0.raw" --repo "$folder/hq"
python3 "$here/many.py" "$folder/hq" "$count" "$shape"
"$imgdelta" -q inventory --repo "$folder/hq" -o "$folder/all.inv"
python3 - "$folder/all.inv" "$folder/site.inv" <<'PY'
import json, sys, uuid
inventory = json.load(open(sys.argv[1]))
inventory["images"] = inventory["images"][::2]
inventory["repository"] = str(uuid.UUID(int=1, version=4))
json.dump(inventory, open(sys.argv[2], "w"))
PY
