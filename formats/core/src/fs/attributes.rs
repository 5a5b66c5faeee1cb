//! What a file has beside its bytes: owner, group, permissions, access control list, extended attributes. A new version of it gets them too.
//!
//! A hypervisor that runs as another user, or under a label, could not open its disk otherwise.

use std::{
    ffi::{CStr, CString},
    fs::{File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
};

use rustix::{
    fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr},
    io::Errno,
};

/// The access control list: a new file may have one from its folder.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Seals over a file's content. The kernel makes those of the new content.
const SEALS: [&CStr; 2] = [c"security.ima", c"security.evm"];

/// Longest value, or list of names, that Linux keeps, in bytes.
const LONGEST: usize = 64 << 10;

/// Gives `to` what `from` has beside its bytes. Says what it could not be given, a few words each.
///
/// # Errors
/// That of the host, if it cannot say what `from` has.
pub(crate) fn copy(from: &File, to: &File) -> io::Result<Vec<String>> {
    let mut lost = Vec::new();
    let wanted = from.metadata()?;
    let given = to.metadata()?;
    // First the owner: a new one takes other rights away.
    let is_owner_lost =
        given.uid() != wanted.uid() && fchown(to, Some(wanted.uid()), None).is_err();
    if is_owner_lost {
        lost.push(format!("owner {}", wanted.uid()));
    }
    let is_group_lost =
        given.gid() != wanted.gid() && fchown(to, None, Some(wanted.gid())).is_err();
    if is_group_lost {
        lost.push(format!("group {}", wanted.gid()));
    }
    lost.extend(copy_extended(from, to)?);
    // The right to act as its owner or its group is not passed on as the right to act as somebody else.
    let passed_on = match (is_owner_lost, is_group_lost) {
        (true, _) => 0o1777,
        (false, true) => 0o5777,
        (false, false) => 0o7777,
    };
    let mode = wanted.mode() & passed_on;
    if mode != wanted.mode() & 0o7777 {
        lost.push("set-user-id or set-group-id".to_owned());
    }
    let has_mode = |file: &File| file.metadata().is_ok_and(|now| now.mode() & 0o7777 == mode);
    if !has_mode(to) {
        let _ = to.set_permissions(Permissions::from_mode(mode));
        if !has_mode(to) {
            lost.push(format!("permissions {mode:04o}"));
        }
    }
    Ok(lost)
}

/// Gives `to` the extended attributes of `from`, among them access control lists and labels.
fn copy_extended(from: &File, to: &File) -> io::Result<Vec<String>> {
    let mut lost = Vec::new();
    let names = names(from)?;
    for name in &names {
        if SEALS.contains(&name.as_c_str()) {
            continue;
        }
        let Some(wanted) = value(from, name)? else {
            continue;
        };
        // One that a new file has by itself may be one that nobody may set.
        let has_it =
            |file: &File| value(file, name).is_ok_and(|found| found.as_ref() == Some(&wanted));
        if !has_it(to) && fsetxattr(to, name.as_c_str(), &wanted, XattrFlags::empty()).is_err() {
            lost.push(described(name));
        }
    }
    let has_list = names.iter().any(|name| name.as_c_str() == ACCESS_LIST);
    if !has_list && value(to, ACCESS_LIST)?.is_some() && fremovexattr(to, ACCESS_LIST).is_err() {
        lost.push("that it has no access control list".to_owned());
    }
    Ok(lost)
}

/// What an attribute is called where people read it.
fn described(name: &CStr) -> String {
    match name.to_bytes() {
        b"system.posix_acl_access" => "access control list".to_owned(),
        b"security.selinux" => "SELinux label".to_owned(),
        other => format!("extended attribute {}", other.escape_ascii()),
    }
}

/// The names of a file's extended attributes; none, where the file system has none.
fn names(file: &File) -> io::Result<Vec<CString>> {
    let mut list = vec![0; LONGEST];
    let len = match flistxattr(file, list.as_mut_slice()) {
        Ok(len) => len,
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        Err(errno) => return Err(errno.into()),
    };
    list.truncate(len);
    let names = list.split_inclusive(|byte| *byte == 0);
    Ok(names
        .filter_map(|name| Some(CStr::from_bytes_with_nul(name).ok()?.to_owned()))
        .collect())
}

/// The value of an extended attribute; `None`, if there is none of that name.
fn value(file: &File, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; LONGEST];
    match fgetxattr(file, name, value.as_mut_slice()) {
        Ok(len) => {
            value.truncate(len);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_and_extended_attributes_are_copied() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let create = |name: &str| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(folder.path().join(name))
        };
        let (from, to) = (create("from")?, create("to")?);
        from.set_permissions(Permissions::from_mode(0o640))?;
        let label = c"user.label";
        if fsetxattr(&from, label, b"svirt", XattrFlags::empty()).is_err() {
            eprintln!("skipped: this file system keeps no extended attributes");
            return Ok(());
        }
        assert!(copy(&from, &to)?.is_empty());
        assert_eq!(to.metadata()?.mode() & 0o7777, 0o640);
        assert_eq!(value(&to, label)?.as_deref(), Some(&b"svirt"[..]));
        Ok(())
    }
}
