//! The descriptor of a new virtual machine with one disk (DSP0243 1.1): what VMware, VirtualBox and virt-v2v ask for, and nothing else.

use imgdelta_core::{Bytes, Error, Kind, Options, Result};
use quick_xml::escape::escape;

/// Most processors and most memory that are asked for: what hypervisors of today give one machine.
const MOST_CPUS: u32 = 1024;
const MOST_MEMORY: Bytes = Bytes::gib(64 << 10);

/// How a machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// From the boot sector.
    Bios,
    /// UEFI.
    Efi,
}

/// To what the disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Ide,
    Scsi(&'static str),
}

/// A virtual machine that is to be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    name: String,
    cpus: u32,
    memory: Bytes,
    /// How it starts.
    pub firmware: Firmware,
    os_id: u32,
    controller: Controller,
}

/// Its disk.
#[derive(Clone, Copy, Debug)]
pub struct MachineDisk<'a> {
    /// The name of its file.
    pub file: &'a str,
    /// How long that is.
    pub file_size: Bytes,
    /// The size of the disk in bytes.
    pub capacity: Bytes,
}

impl Machine {
    /// The options that are its own; what else is said is for its disk.
    pub const OPTIONS: [&'static str; 5] = ["cpus", "firmware", "memory", "name", "os_id"];

    /// Takes its options: `cpus=1`, `memory=1G`, `firmware=bios|efi`, `os_id=1` (a number of CIM's, 1 for any other system) and `name`, which else
    /// is that of its file. The controller goes with `adapter_type`, which is left for the disk.
    ///
    /// # Errors
    /// Usage, if one says what no machine has.
    pub fn take(options: &mut Options, name: &str) -> Result<Self> {
        let wrong = |key: &str, value: &str, required: &str| {
            let value = value.escape_debug();
            Error::new(
                Kind::Usage,
                format!("option {key} is '{value}', {required} is required"),
            )
        };
        let number =
            |options: &mut Options, key: &str, default: u32, most: u32| match options.take(key) {
                None => Ok(default),
                Some(text) => match text.parse() {
                    Ok(number) if (1..=most).contains(&number) => Ok(number),
                    _ => Err(wrong(key, &text, &format!("a number from 1 to {most}"))),
                },
            };
        let memory = options.take_size("memory")?.unwrap_or(Bytes::gib(1));
        if memory > MOST_MEMORY || memory < Bytes::mib(1) || !memory.is_multiple_of(Bytes::mib(1)) {
            let required = format!("whole MiB from 1 MiB to {MOST_MEMORY}");
            return Err(wrong("memory", &memory.0.to_string(), &required));
        }
        let firmware = match options.take_choice("firmware", &["bios", "efi"])? {
            "efi" => Firmware::Efi,
            _ => Firmware::Bios,
        };
        let adapter = options.iter().find(|(key, _)| *key == "adapter_type");
        let controller = match adapter
            .map(|(_, value)| value.to_ascii_lowercase())
            .as_deref()
        {
            None | Some("lsilogic") => Controller::Scsi("lsilogic"),
            Some("ide") => Controller::Ide,
            Some("buslogic") => Controller::Scsi("buslogic"),
            Some("pvscsi") => Controller::Scsi("VirtualSCSI"),
            Some(other) => {
                return Err(wrong(
                    "adapter_type",
                    other,
                    "one of lsilogic, ide, buslogic, pvscsi",
                ));
            }
        };
        let name = options.take("name").unwrap_or_else(|| name.to_owned());
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(wrong("name", &name, "a name without control characters"));
        }
        Ok(Self {
            name,
            cpus: number(options, "cpus", 1, MOST_CPUS)?,
            memory,
            firmware,
            os_id: number(options, "os_id", 1, 9999)?,
            controller,
        })
    }

    /// The descriptor.
    #[must_use]
    pub fn descriptor(&self, disk: &MachineDisk<'_>) -> String {
        let (name, file) = (escape(&self.name), escape(disk.file));
        let (file_size, capacity) = (disk.file_size.0, disk.capacity.0);
        let hardware = self.hardware();
        let os_id = self.os_id;
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
    <File ovf:id="file1" ovf:href="{file}" ovf:size="{file_size}"/>
  </References>
  <DiskSection>
    <Info>The disks of the machine</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{capacity}" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="{os_id}">
      <Info>The operating system</Info>
    </OperatingSystemSection>
{hardware}  </VirtualSystem>
</Envelope>
"#
        )
    }

    /// Processors, memory, a controller and the disk.
    fn hardware(&self) -> String {
        let name = escape(&self.name);
        let memory = self.memory.0 >> 20;
        let (kind, subtype) = match self.controller {
            Controller::Ide => (5, "PIIX4"),
            Controller::Scsi(subtype) => (6, subtype),
        };
        let cpus = self.cpus;
        let mut text = format!(
            r#"    <VirtualHardwareSection>
      <Info>The virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
      </System>
"#
        );
        let items: [&[(&str, &str)]; 4] = [
            &[
                ("AllocationUnits", "hertz * 10^6"),
                ("Description", "Number of virtual CPUs"),
                ("ElementName", &format!("{cpus} virtual CPU(s)")),
                ("InstanceID", "1"),
                ("ResourceType", "3"),
                ("VirtualQuantity", &cpus.to_string()),
            ],
            &[
                ("AllocationUnits", "byte * 2^20"),
                ("Description", "Memory size"),
                ("ElementName", &format!("{memory} MB of memory")),
                ("InstanceID", "2"),
                ("ResourceType", "4"),
                ("VirtualQuantity", &memory.to_string()),
            ],
            &[
                ("Address", "0"),
                ("Description", "Disk controller"),
                ("ElementName", "Disk controller 0"),
                ("InstanceID", "3"),
                ("ResourceSubType", subtype),
                ("ResourceType", &kind.to_string()),
            ],
            &[
                ("AddressOnParent", "0"),
                ("ElementName", "Hard disk 1"),
                ("HostResource", "ovf:/disk/vmdisk1"),
                ("InstanceID", "4"),
                ("Parent", "3"),
                ("ResourceType", "17"),
            ],
        ];
        text.extend(items.map(item));
        if self.firmware == Firmware::Efi {
            text.push_str("      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n");
        }
        text.push_str("    </VirtualHardwareSection>\n");
        text
    }
}

/// One thing of the hardware, as CIM's resource allocation data.
fn item(fields: &[(&str, &str)]) -> String {
    let lines = fields
        .iter()
        .map(|(key, value)| format!("        <rasd:{key}>{value}</rasd:{key}>\n"));
    format!("      <Item>\n{}      </Item>\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::{super::Descriptor, *};

    fn machine(options: &[&str]) -> Result<Machine> {
        Machine::take(&mut Options::parse(options)?, "web")
    }

    #[test]
    fn the_descriptor_says_what_was_asked_for_and_is_read_back() -> Result<()> {
        let machine = machine(&[
            "cpus=4",
            "memory=8G",
            "firmware=efi",
            "name=a & <b>",
            "adapter_type=pvscsi",
        ])?;
        let disk = MachineDisk {
            file: "a & b-disk1.vmdk",
            file_size: Bytes(12345),
            capacity: Bytes(1 << 40),
        };
        let text = machine.descriptor(&disk);
        for part in [
            "<Name>a &amp; &lt;b&gt;</Name>",
            "<rasd:VirtualQuantity>4</rasd:VirtualQuantity>",
            "<rasd:VirtualQuantity>8192</rasd:VirtualQuantity>",
            "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>",
            "vmw:value=\"efi\"",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let read = Descriptor::read(&MemSource(text.into()))?.disks;
        let file = read[0].file.as_ref().expect("it has one");
        assert_eq!(
            (file.href.as_str(), file.size),
            (disk.file, Some(disk.file_size))
        );
        assert_eq!(read[0].capacity, Some(disk.capacity));
        Ok(())
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        for option in [
            "cpus=0",
            "cpus=x",
            "memory=1",
            "memory=100T",
            "firmware=bi",
            "name=",
            "adapter_type=legacyESX",
            "os_id=0",
        ] {
            let error = machine(&[option]).expect_err(option);
            assert_eq!(error.kind(), Kind::Usage, "{option}: {error}");
        }
    }
}
