//! The manifest: a small JSON file beside a child that says what it is, from what, and proves it.

use std::path::Path;

use imgdelta_core::{
    Bytes, Error, FileOffset, FileSource, Format, Identity, Kind, Result, Source, read_vec,
};
use serde::{Deserialize, Serialize};

use crate::{
    disk_hasher::Proof,
    make::Made,
    tree::{ContentId, Digest, Nodes},
};

/// The version of the manifest's form.
pub const SCHEMA: &str = "imgdelta/manifest/1";

/// The program that writes manifests.
const TOOL: &str = concat!("imgdelta ", env!("CARGO_PKG_VERSION"));

/// Longest manifest that is read: 1024 nodes take 70 KB, 8192 runs that are left out about 350 KB.
pub const LONGEST: Bytes = Bytes::mib(1);

/// What a child is, from what, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which tool wrote it.
    pub tool: String,
    /// The image that the site must have.
    pub base: Base,
    /// The image that comes out.
    pub result: Outcome,
    /// The child itself.
    pub child: Child,
    /// What of the target nobody needs and keeps the base's bytes in the result: where the result is not the target. Empty if all of it is
    /// there. What proves the result says nothing of it, so who does not know this loses nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Runs of the target that keep the base's bytes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why nobody needs them: `free`, `swap`, `pagefile`.
    pub why: String,
    /// The number of their volume as Linux counts, 0 where the disk has no partition table.
    pub volume: u32,
    /// How many bytes they are together.
    pub bytes: u64,
    /// The runs in order of address, each its first byte and its length: `1048576+65536`.
    pub runs: Vec<String>,
}

/// The image that the site must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its content id.
    pub content_id: String,
    /// The size of its disk in bytes.
    pub size: u64,
    /// What it was called where the child was made.
    pub name: String,
    /// The format that it had there.
    pub format: String,
    /// Its identity there, in its format's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The nodes of its tree at one level.
    pub tree: Tree,
}

/// The nodes of a tree at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// How many windows of 64 KiB each stands for, as a power of two.
    pub level: u32,
    /// The nodes, in order of address.
    pub nodes: Vec<String>,
}

/// The image that comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its content id.
    pub content_id: String,
    /// The exact size of its disk in bytes.
    pub size: u64,
    /// What it was called where the child was made.
    pub name: String,
    /// The format that it had there.
    pub format: String,
}

/// The child itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
    /// The size of its disk in bytes: that of the result, rounded up where the format cannot hold it exactly.
    pub size: u64,
    /// The digest of its own layer.
    pub layer_digest: String,
    /// How many of its blocks say something.
    pub blocks_changed: u64,
    /// How long a block is, in bytes.
    pub block_size: u64,
    /// How many bytes of the result differ from the base, to the format's grain.
    pub bytes_changed: u64,
}

impl Base {
    /// The base's part, from what proves it.
    fn of(proof: &Proof, image: &ImageName<'_>) -> Self {
        Self {
            content_id: proof.id.to_string(),
            size: proof.size.0,
            name: image.name.clone(),
            format: image.format.name().to_owned(),
            identity: image.identity.map(ToString::to_string),
            tree: Tree {
                level: proof.nodes.level,
                nodes: proof.nodes.nodes.iter().map(ToString::to_string).collect(),
            },
        }
    }

    /// What proves the base.
    ///
    /// # Errors
    /// Corrupt, if the manifest contradicts itself.
    pub fn proof(&self) -> Result<Proof> {
        let size = Bytes(self.size);
        let nodes = self
            .tree
            .nodes
            .iter()
            .map(|node| node.parse())
            .collect::<Result<Vec<Digest>>>()?;
        let nodes = Nodes {
            level: self.tree.level,
            nodes,
        };
        let id: ContentId = self.content_id.parse()?;
        if nodes.level != Nodes::level_for(size) {
            return Err(faulty(format!(
                "base.tree.level is {}, {} is required",
                nodes.level,
                Nodes::level_for(size)
            )));
        }
        if ContentId::new(size, &nodes.root()) != id {
            return Err(faulty("base.tree does not make base.content_id".to_owned()));
        }
        Ok(Proof { size, id, nodes })
    }
}

/// An image as a manifest names it.
#[derive(Clone, Debug)]
pub struct ImageName<'a> {
    /// What it is called: a file's name, or a name in a repository.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// What children call it, in its format's terms.
    pub identity: Option<&'a Identity>,
}

impl Manifest {
    /// The manifest of a child of `size` bytes that was made with proofs.
    ///
    /// # Errors
    /// Host, if it was made without.
    pub fn describe(
        made: &Made,
        base: &ImageName<'_>,
        target: &ImageName<'_>,
        child: &ImageName<'_>,
        size: Bytes,
    ) -> Result<Self> {
        let (Some(base_proof), Some(target_proof), Some(layer)) =
            (&made.base, &made.target, made.layer)
        else {
            return Err(Error::new(Kind::Host, "the child was made without proofs"));
        };
        Ok(Self {
            schema: SCHEMA.to_owned(),
            tool: TOOL.to_owned(),
            base: Base::of(base_proof, base),
            result: Outcome {
                content_id: target_proof.id.to_string(),
                size: target_proof.size.0,
                name: target.name.clone(),
                format: target.format.name().to_owned(),
            },
            child: Child {
                name: child.name.clone(),
                format: child.format.name().to_owned(),
                size: size.0,
                layer_digest: LayerDigest(layer).to_string(),
                blocks_changed: made.units,
                block_size: made.unit.0,
                bytes_changed: made.changed.0,
            },
            left_out: Vec::new(),
        })
    }

    /// Reads the manifest in the file at `path`.
    ///
    /// # Errors
    /// Host, if the host cannot; Unsupported, if it is longer than [`LONGEST`] or of another version; Corrupt, if it is none.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let file = FileSource::open(path)?;
            if file.len() > LONGEST {
                let message = format!(
                    "manifest has {} bytes, at most {} are read",
                    file.len().0,
                    LONGEST.0
                );
                return Err(Error::new(Kind::Unsupported, message));
            }
            Self::from_json(&read_vec(&file, FileOffset::ZERO, file.len())?)
        };
        read().map_err(|error| error.in_file(path))
    }

    /// As the file that stands beside the child.
    ///
    /// # Errors
    /// Never now; the signature keeps room for it.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|cause| faulty(format!("cannot be written: {cause}")))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads the file that stands beside a child.
    ///
    /// # Errors
    /// Corrupt, if it is none; Unsupported, if it is of another version.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: String,
        }
        let Version { schema } =
            serde_json::from_slice(json).map_err(|cause| faulty(cause.to_string()))?;
        if schema != SCHEMA {
            return Err(Error::new(
                Kind::Unsupported,
                format!("manifest schema is '{schema}', '{SCHEMA}' is required"),
            ));
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|cause| faulty(cause.to_string()))?;
        manifest.base.proof()?;
        manifest.result.content_id.parse::<ContentId>()?;
        manifest.child.layer_digest.parse::<LayerDigest>()?;
        Ok(manifest)
    }

    /// The content id that the result must have.
    ///
    /// # Errors
    /// Corrupt, if it is none.
    pub fn result_id(&self) -> Result<ContentId> {
        self.result.content_id.parse()
    }

    /// The layer digest that the child must have.
    ///
    /// # Errors
    /// Corrupt, if it is none.
    pub fn layer(&self) -> Result<LayerDigest> {
        self.child.layer_digest.parse()
    }
}

/// A layer digest as it is written: `imgdelta1-layer:<64 hex>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerDigest(pub Digest);

impl std::fmt::Display for LayerDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "imgdelta1-layer:{}", self.0)
    }
}

impl std::str::FromStr for LayerDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text
            .strip_prefix("imgdelta1-layer:")
            .ok_or_else(|| faulty(format!("'{text}' is not a layer digest")))?;
        digits.parse().map(Self)
    }
}

fn faulty(message: String) -> Error {
    Error::new(Kind::Corrupt, format!("manifest: {message}")).with_code("manifest")
}

/// Where the manifest of `child` stands: `child.vhd.manifest.json`.
#[must_use]
pub fn place_of(child: &Path) -> std::path::PathBuf {
    let mut name = child.file_name().unwrap_or_default().to_owned();
    name.push(".manifest.json");
    child.with_file_name(name)
}
