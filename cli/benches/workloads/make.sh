#!/usr/bin/env bash
# Makes the disk images that the benchmarks work on; what is there already is kept.
#   make.sh WORK_FOLDER [base|small|apt|copy|vhd|head|sparse|chain|related|random|huge|mixed|zstd|scaled|depths|borg|casync|upgrade|all|none]...
#   make.sh WORK_FOLDER drop KIND...        removes the disks of these again
# Needs mke2fs, debugfs, openssl, python3, qemu-img and qemu-io; neither root nor a mount; 80 GiB of disk.
# 'all' leaves out what borg and casync know, which needs those two, and the upgrade, which needs root, debootstrap and a mirror of Debian. Where WORK_FOLDER/size says 'quick', data are an eighth.
# Every choice is seeded; file contents come from this machine's $SOURCE (/usr).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
work=$1
shift
mkdir -p "$work"
cd "$work"
source=${SOURCE:-/usr}
export PATH=$PATH:/usr/sbin:/sbin
export E2FSPROGS_FAKE_TIME=1700000000
uuid=11111111-2222-3333-4444-555555555555
mib=$((1 << 20))
gib=$((1 << 30))
part=1
[ "$(cat size 2>/dev/null)" != quick ] || part=8

# 8 GiB of ext4 with about 3 GiB of real files, no partition table.
make_base() {
  [ -f base.raw ] && [ -d tree ] && return
  rm -rf tree tree.part base.part
  python3 "$here/pick_tree.py" "$source" tree.part $((3000 / part))
  mv tree.part tree
  truncate -s $((8 * gib / part)) base.part
  mke2fs -q -F -t ext4 -b 4096 -U "$uuid" -E hash_seed="$uuid",lazy_itable_init=0,lazy_journal_init=0 -d tree base.part
  mv base.part base.raw
}

# 5 % of the base's allocated 64 KiB blocks rewritten in place.
make_small() {
  make_base
  [ -f small.raw ] && return
  cp --sparse=always base.raw small.part
  python3 "$here/rewrite_blocks.py" small.part 1 0.05 65536
  mv small.part small.raw
}

# The base after a package upgrade: 300 MiB of files removed, rewritten with shifted content, added.
make_apt() {
  make_base
  [ -f apt.raw ] && return
  cp --sparse=always base.raw apt.part
  rm -rf new
  mkdir new
  python3 "$here/upgrade_files.py" tree new 2 $((300 / part)) >apt.debugfs
  debugfs -w -f apt.debugfs apt.part >apt.log 2>&1
  rm -rf new apt.debugfs
  mv apt.part apt.raw
}

# The base's twin in another file, and the base as qcow2.
make_copy() {
  make_base
  [ -f copy.raw ] || { cp --reflink=never --sparse=always base.raw copy.part && mv copy.part copy.raw; }
  [ -f base.qcow2 ] || { qemu-img convert -f raw -O qcow2 base.raw qcow2.part && mv qcow2.part base.qcow2; }
}

# Base and target as dynamic VHDs of exactly their size.
make_vhd() {
  make_small
  local name
  for name in base small; do
    [ -f "$name.vhd" ] && continue
    qemu-img convert -f raw -O vpc -o force_size=on "$name.raw" vhd.part
    mv vhd.part "$name.vhd"
  done
}

# The first GiB of the base in each variant of VMDK, as VDI and as VHDX, and that of the target as the children's targets.
make_head() {
  make_small
  local name
  for name in base small; do
    [ -f "head-$name.raw" ] || { head -c $((gib / part)) "$name.raw" >head.part && mv head.part "head-$name.raw"; }
    head_as "$name" vmdk vmdk subformat=monolithicSparse
    head_as "$name" vdi vdi static=off
    head_as "$name" vhdx vhdx subformat=dynamic
  done
  head_as base split.vmdk vmdk subformat=twoGbMaxExtentSparse
  head_as base flat.vmdk vmdk subformat=monolithicFlat
  head_as base stream.vmdk vmdk subformat=streamOptimized
}

# head_as NAME SUFFIX FORMAT OPTION; a descriptor names its extents, so no file may be renamed: a mark says that all are whole
head_as() {
  [ -f "head-$1.$2.whole" ] && return
  qemu-img convert -f raw -O "$3" -o "$4" "head-$1.raw" "head-$1.$2"
  touch "head-$1.$2.whole"
}

make_sparse() {
  [ -f sparse2.raw ] && return
  python3 "$here/sparse_pair.py" sparse1.part sparse2.part 3 $((32768 / part))
  mv sparse1.part sparse1.raw
  mv sparse2.part sparse2.raw
}

# The base and 20 qcow2 overlays with 100 MiB written in each.
make_chain() {
  make_base
  [ -f chain/20.qcow2 ] && return
  rm -rf chain.part
  mkdir chain.part
  qemu-img convert -f raw -O qcow2 base.raw chain.part/00.qcow2
  local number below=00 name
  for number in $(seq 1 20); do
    name=$(printf %02d "$number")
    overlay "chain.part/$name.qcow2" "$below.qcow2" $((100 + number)) $((8 * gib / part))
    below=$name
  done
  rm -rf chain
  mv chain.part chain
}

# An overlay with 100 MiB written, over 1 TiB with 2 GiB of data.
make_related() {
  [ -f related/target.qcow2 ] && return
  make_sparse
  rm -rf related.part
  mkdir related.part
  qemu-img convert -f raw -O qcow2 sparse1.raw related.part/base.qcow2
  overlay related.part/target.qcow2 base.qcow2 777 $((1024 * gib))
  rm -rf related
  mv related.part related
}

# overlay FILE BACKING SEED BYTES
overlay() {
  qemu-img create -q -f qcow2 -F qcow2 -b "$2" "$1"
  python3 "$here/overlay_writes.py" "$3" "$4" $((1600 / part)) | qemu-io -t unsafe -f qcow2 "$1" >/dev/null
}

# The largest VHDX, with nothing in it.
make_huge() {
  [ -f huge.vhdx ] || { qemu-img create -q -f vhdx huge.part 64T && mv huge.part huge.vhdx; }
}

# Nothing in common: two times 2 GiB of pseudo-random bytes.
make_random() {
  local number
  for number in 1 2; do
    [ -f "rand$number.raw" ] && continue
    # head ends the endless stream: openssl then dies of the broken pipe, as it should.
    { openssl enc -aes-128-ctr -nosalt -K "$(printf %032x $((10 + number)))" -iv 0 </dev/zero 2>/dev/null || true; } |
      head -c $((2 * gib / part)) >random.part
    mv random.part "rand$number.raw"
  done
}

# 1 GiB, half of it real files, a quarter that does not compress, a quarter that was never written to: packed, and as a package with digests.
make_mixed() {
  [ -f mixed.ova ] && return
  { tar -C "$source" -cf - . 2>/dev/null || true; } | head -c $((512 * mib / part)) >mixed.raw
  { openssl enc -aes-128-ctr -nosalt -K "$(printf %032x 77)" -iv 0 </dev/zero 2>/dev/null || true; } | head -c $((256 * mib / part)) >>mixed.raw
  truncate -s $((gib / part)) mixed.raw
  gzip -6 -kf mixed.raw
  zstd -q -3 -T0 -kf mixed.raw
  xz -0 -T0 -kf mixed.raw
  qemu-img convert -f raw -O vmdk -o subformat=streamOptimized mixed.raw mixed.vmdk
  cat >mixed.ovf <<XML
<?xml version="1.0"?>
<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f1" ovf:href="mixed.vmdk"/></References>
<DiskSection><Info/><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="$((gib / part))" ovf:capacityAllocationUnits="byte"/></DiskSection>
</Envelope>
XML
  sha256sum --tag mixed.ovf mixed.vmdk | sed 's/SHA256 (/SHA256(/; s/) = /)= /' >mixed.mf
  tar --format=ustar -cf ova.part mixed.ovf mixed.vmdk mixed.mf
  mv ova.part mixed.ova
}

# The base as qcow2, compressed with zstd.
make_zstd() {
  make_base
  [ -f base-zstd.qcow2 ] && return
  qemu-img convert -c -m 16 -W -f raw -O qcow2 -o compression_type=zstd base.raw zstd.part
  mv zstd.part base-zstd.qcow2
}

# The same 512 MiB in runs of 2 MiB spread over disks of 8 GiB to 64 TiB: raw where ext4 has files so long, qcow2, VHDX; and the same with
# a twentieth changed. A raw file of 16 TiB is a window shorter: ext4's longest is.
make_scaled() {
  [ -d scaled ] && return
  rm -rf scaled.part
  mkdir scaled.part
  local size bytes
  for size in 8G 64G 1T 16T 64T; do
    bytes=$(numfmt --from=iec "$size")
    scaled_as "$size" qcow2 "$bytes"
    scaled_as "$size" vhdx "$bytes"
    case $size in
      64T) ;;
      16T) scaled_as "$size" raw $((bytes - 65536)) ;;
      *) scaled_as "$size" raw "$bytes" ;;
    esac
  done
  mv scaled.part scaled
}

# scaled_as SIZE FORMAT BYTES
scaled_as() {
  local name
  for name in "$1" "$1-new"; do
    # Nobody makes a child of VHDX here.
    [ "$name.$2" != "$1-new.vhdx" ] || continue
    qemu-img create -q -f "$2" "scaled.part/$name.$2" "$3"
    # shellcheck disable=SC2046  # the word 'new', or none
    python3 "$here/scaled.py" "$3" $((256 / part)) $([ "$name" = "$1" ] || echo new) |
      qemu-io -t unsafe -f "$2" "scaled.part/$name.$2" >/dev/null
  done
}

# The same 3 GiB in runs of 12 MiB on 8 GiB, dealt out to the layers of chains of 1 to 200.
make_depths() {
  [ -d depths ] && return
  rm -rf depths.part
  local depth layer name below run len=$((12 * mib / part))
  for depth in 1 2 10 50 200; do
    mkdir -p "depths.part/$depth"
    below=
    for layer in $(seq 0 $((depth - 1))); do
      name=$(printf %03d "$layer").qcow2
      qemu-img create -q -u -f qcow2 ${below:+-F qcow2 -b "$below"} "depths.part/$depth/$name" 8G
      for run in $(seq "$layer" "$depth" 255); do echo "write -P $((1 + run % 255)) $((run * 32 * mib)) $len"; done |
        qemu-io -t unsafe -f qcow2 "depths.part/$depth/$name" >/dev/null
      below=$name
    done
  done
  # The same disk once more: a file beside itself would not be read.
  cp --reflink=never depths.part/1/000.qcow2 depths.part/again.qcow2
  mv depths.part depths
}

# What borg knows of the base: a repository, and what it remembers of it.
make_borg() {
  make_base
  [ -d known/borg ] && return
  rm -rf known/borg.part
  mkdir -p known/borg.part
  # shellcheck source=borg.sh
  . "$here/borg.sh"
  local -x BORG_BASE_DIR=$PWD/known/borg.part/home
  borg init -e none known/borg.part/repository
  borg create "${borg_settings[@]}" known/borg.part/repository::base base.raw
  mv known/borg.part known/borg
}

# The base's chunks.
make_casync() {
  make_base
  [ -d known/store.castr ] && return
  rm -rf known/part.castr
  mkdir -p known
  casync make --store=known/part.castr known/base.caibx base.raw
  mv known/part.castr known/store.castr
}

# A disk of 4 GiB with an installed Debian, and the same after a real upgrade.
make_upgrade() {
  [ -f upgrade.raw ] && [ -f upgrade-base.raw ] && return
  bash "$here/upgrade.sh" upgrade.part
  mv upgrade.part/base.raw upgrade-base.raw
  mv upgrade.part/target.raw upgrade.raw
  rm -rf upgrade.part
}

# Removes what only that workload made; the base and what is made of its files stays.
drop() {
  case $1 in
    apt) rm -f apt.raw ;;
    copy) rm -f copy.raw base.qcow2 ;;
    vhd) rm -f base.vhd small.vhd ;;
    head) rm -f head-* ;;
    sparse) rm -f sparse[12].raw ;;
    chain | related | scaled | depths) rm -rf "$1" ;;
    random) rm -f rand[12].raw ;;
    mixed) rm -f mixed.* ;;
    zstd) rm -f base-zstd.qcow2 ;;
    upgrade) rm -f upgrade.raw upgrade-base.raw ;;
  esac
}

if [ "${1:-}" = drop ]; then
  shift
  for kind; do drop "$kind"; done
  exit
fi
for kind in "${@:-all}"; do
  case $kind in
    all) for kind in small apt copy vhd head sparse chain related random huge mixed zstd scaled depths; do "make_$kind"; done ;;
    none) ;;
    base | small | apt | copy | vhd | head | sparse | chain | related | random | huge | mixed | zstd | scaled | depths | borg | casync | upgrade) "make_$kind" ;;
    *) echo "make.sh: no workload is called $kind" >&2; exit 2 ;;
  esac
done
