//! On-disk structures, declared once: one line a field gives parse, emit, size, names in errors and the check of every offset.
//!
//! Parse and emit never fail: they see exactly as many bytes as the structure has. Judging what they say is another file's
//! work. Reserved bytes are fields, so `emit(parse(x)) == x` for every `x`.

use byteorder::ByteOrder;

/// A value with a fixed place on the disk, in byte order `E`.
pub trait OnDisk<E>: Sized {
    /// How many bytes it takes.
    const LEN: usize;

    /// Reads it from exactly [`LEN`](Self::LEN) bytes.
    fn take(bytes: &[u8]) -> Self;

    /// Writes it to exactly [`LEN`](Self::LEN) bytes.
    fn put(&self, bytes: &mut [u8]);
}

impl<E> OnDisk<E> for u8 {
    const LEN: usize = 1;

    fn take(bytes: &[u8]) -> Self {
        bytes.first().copied().unwrap_or_default()
    }

    fn put(&self, bytes: &mut [u8]) {
        bytes.fill(*self);
    }
}

macro_rules! wire_integer {
    ($($int:ty, $len:literal, $read:ident, $write:ident;)*) => {$(
        impl<E: ByteOrder> OnDisk<E> for $int {
            const LEN: usize = $len;

            fn take(bytes: &[u8]) -> Self {
                E::$read(bytes)
            }

            fn put(&self, bytes: &mut [u8]) {
                E::$write(bytes, *self);
            }
        }
    )*};
}

wire_integer! {
    u16, 2, read_u16, write_u16;
    u32, 4, read_u32, write_u32;
    u64, 8, read_u64, write_u64;
}

impl<E, T: OnDisk<E>, const N: usize> OnDisk<E> for [T; N] {
    const LEN: usize = T::LEN * N;

    fn take(bytes: &[u8]) -> Self {
        let mut items = bytes.chunks_exact(T::LEN);
        std::array::from_fn(|_| T::take(items.next().unwrap_or_default()))
    }

    fn put(&self, bytes: &mut [u8]) {
        for (item, place) in self.iter().zip(bytes.chunks_exact_mut(T::LEN)) {
            item.put(place);
        }
    }
}

/// One field of an on-disk structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, as the specification spells it.
    pub name: &'static str,
    /// Where it starts in the structure.
    pub at: usize,
    /// How many bytes it takes.
    pub len: usize,
}

/// Declares an on-disk structure: byte order, size, and one line a field with its offset.
///
/// ```
/// imgdelta_core::record! {
///     /// A header of its own making.
///     pub struct Header: BigEndian, 16 {
///         /// What it begins with.
///         0 => magic: [u8; 4],
///         /// How many there are.
///         4 => count: u32,
///         /// Nothing yet.
///         8 => reserved: [u8; 8],
///     }
/// }
/// let header = Header::parse(b"made\0\0\0\x05........");
/// assert_eq!(header.count, 5);
/// assert_eq!(&header.emit(), b"made\0\0\0\x05........");
/// assert_eq!(Header::at("count"), 4);
/// ```
///
/// A gap, an overlap or a wrong size does not compile:
///
/// ```compile_fail
/// imgdelta_core::record! {
///     /// The second field is at 2, not at 4.
///     pub struct Torn: LittleEndian, 8 { /// One.
///         0 => one: u16, /// Two.
///         4 => two: u32, }
/// }
/// ```
#[macro_export]
macro_rules! record {
    ($(#[$doc:meta])* $vis:vis struct $name:ident: $order:ident, $size:literal {
        $($(#[$field_doc:meta])* $at:literal => $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        #[allow(dead_code, reason = "not every structure needs every verb")]
        impl $name {
            /// How many bytes it takes.
            pub const SIZE: usize = $size;

            /// Its fields in order.
            pub const FIELDS: &'static [$crate::Field] = &[$($crate::Field {
                name: stringify!($field),
                at: $at,
                len: <$type as $crate::OnDisk<$crate::byteorder::$order>>::LEN,
            }),*];

            /// Reads it; whatever the bytes are, they are one.
            #[must_use]
            pub fn parse(bytes: &[u8; $size]) -> Self {
                <Self as $crate::OnDisk<$crate::byteorder::$order>>::take(bytes)
            }

            /// Writes it.
            #[must_use]
            pub fn emit(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                <Self as $crate::OnDisk<$crate::byteorder::$order>>::put(self, &mut bytes);
                bytes
            }

            /// Where `field` starts, in bytes from the start of the structure; the structure's size if there is no such field.
            #[must_use]
            pub fn at(field: &str) -> u64 {
                Self::FIELDS.iter().find(|one| one.name == field).map_or($size, |one| one.at as u64)
            }
        }

        impl $crate::OnDisk<$crate::byteorder::$order> for $name {
            const LEN: usize = $size;

            #[allow(clippy::indexing_slicing, reason = "every range is checked when this compiles")]
            fn take(bytes: &[u8]) -> Self {
                Self { $($field: {
                    const LEN: usize = <$type as $crate::OnDisk<$crate::byteorder::$order>>::LEN;
                    <$type as $crate::OnDisk<$crate::byteorder::$order>>::take(&bytes[$at..$at + LEN])
                },)* }
            }

            #[allow(clippy::indexing_slicing, reason = "every range is checked when this compiles")]
            fn put(&self, bytes: &mut [u8]) {
                $({
                    const LEN: usize = <$type as $crate::OnDisk<$crate::byteorder::$order>>::LEN;
                    <$type as $crate::OnDisk<$crate::byteorder::$order>>::put(&self.$field, &mut bytes[$at..$at + LEN]);
                })*
            }
        }

        #[allow(clippy::indexing_slicing, reason = "it is worked out when this compiles")]
        const _: () = {
            let fields = $name::FIELDS;
            let (mut i, mut end) = (0, 0);
            while i < fields.len() {
                assert!(fields[i].at == end, "a field does not start where the one before it ends");
                end += fields[i].len;
                i += 1;
            }
            assert!(end == $size, "the fields do not fill the structure");
        };
    };
}
