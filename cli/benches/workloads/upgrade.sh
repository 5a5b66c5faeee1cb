#!/usr/bin/env bash
# Makes a disk with an installed system, and the same after a real upgrade.
#   upgrade.sh FOLDER       leaves base.raw and target.raw there, 4 GiB each
# A GPT with an EFI partition, swap, and an ext4 of a small Debian 12 with a compiler; then its security updates, three packages from backports,
# and 40 MiB of swap in use. Needs root, loop devices, debootstrap, and the mirror that this machine's own apt settings name.
# Packages are of the day: only ratios on one pair count.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$1"
cd "$1"
sector=512
efi_start=2048 efi_len=131072
swap_start=133120 swap_len=524288
root_start=657408 root_len=7000000
device='' mounted=''

# Only lines of apt that name Debian; the first is the mirror, one with 'security' that of updates.
sources=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f -exec cat {} + 2>/dev/null | grep -v '^#' || true)
urls=$(grep -oE 'https?://[^ ]*debian[^ ]*' <<<"$sources" | sort -u || true)
mirror=$(grep -v -e security -e nodesource <<<"$urls" | head -1 || true)
security=$(grep security <<<"$urls" | head -1 || true)
[ -n "$mirror" ] || { echo "upgrade.sh: apt names no mirror of Debian" >&2; exit 1; }

release() {
  [ -z "$mounted" ] || { umount -R "$mounted" || true; mounted=''; }
  [ -z "$device" ] || { losetup -d "$device" || true; device=''; }
}
trap release EXIT

# attach IMAGE START LENGTH: the partition as $device.
attach() { device=$(losetup --find --show --offset $(($2 * sector)) --sizelimit $(($3 * sector)) "$1"); }

rm -f base.raw target.raw
truncate -s 4G base.raw
sfdisk -q base.raw <<LAYOUT
label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=$efi_start, size=$efi_len, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI"
start=$swap_start, size=$swap_len, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, name="swap"
start=$root_start, size=$root_len, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"
LAYOUT
attach base.raw $efi_start $efi_len
mkfs.vfat -F 32 -n EFI "$device" >/dev/null
release
attach base.raw $swap_start $swap_len
mkswap -q "$device"
release

attach base.raw $root_start $root_len
mkfs.ext4 -q -L root "$device"
mkdir -p root
mount "$device" root
mounted=root
packages=python3,perl,openssh-server,openssl,git,vim,curl,linux-image-cloud-amd64,systemd-sysv,libc6-dev,gcc,rsync,gnupg
debootstrap --variant=minbase --include=$packages bookworm root "$mirror" >install.log 2>&1
rm -f root/var/cache/apt/archives/*.deb
sync
release

cp --sparse=always base.raw target.raw
attach target.raw $root_start $root_len
mount "$device" root
mounted=root
{
  for suite in bookworm bookworm-updates bookworm-backports; do echo "deb $mirror $suite main"; done
  [ -z "$security" ] || echo "deb $security bookworm-security main"
} >root/etc/apt/sources.list
cp /etc/resolv.conf root/etc/ 2>/dev/null || true
cp /etc/apt/apt.conf.d/*proxy* root/etc/apt/apt.conf.d/ 2>/dev/null || true
mount -t proc proc root/proc
export DEBIAN_FRONTEND=noninteractive
{
  chroot root apt-get update
  chroot root apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade
  chroot root apt-get -y -t bookworm-backports install openssh-server curl git
  chroot root apt-get clean
} >upgrade.log 2>&1
sync
release
rmdir root

attach target.raw $swap_start $swap_len
dd if=/dev/urandom of="$device" bs=1M seek=1 count=40 conv=notrunc status=none
sync
release
