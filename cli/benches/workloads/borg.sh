# How borg is called here, sourced by make.sh and deploy.sh: it asks nothing, and cuts at fixed places, as its manual advises for
# the images of disks; in pieces of 64 KiB, which sent the least of what was tried.
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
# shellcheck disable=SC2034  # used by who sources this
borg_settings=(--compression zstd --chunker-params fixed,65536)
