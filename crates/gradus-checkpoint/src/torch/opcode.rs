//! The instructions of pickles that no file of tensors needs, so that messages can name them.

/// The name that Python's `pickletools` gives to an instruction that is not carried out here.
pub(super) fn forbidden(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'i' => "INST",
        b'o' => "OBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return None,
    })
}
