//! A file system in memory that knows what a power cut may leave of it.
//!
//! Every change is written down. What was not synced when the power went may be there or not: any subset of the changes of a
//! directory's entries since it was last synced, in any order that the subset allows; of a file's bytes since it was last
//! synced none, some, all, or zeros in their place. This is what POSIX promises; real file systems promise more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};

use gradus_checkpoint::{Entry, EntryKind, FileSystem, ReadFile, WriteFile};

/// The number of a file or directory; the root is 0.
type Node = usize;
const ROOT: Node = 0;
/// With more changes pending than this, not all subsets are tried.
const ALL_SUBSETS: usize = 7;

/// Names of a directory, and where each leads now.
type Entries = Vec<(String, Option<Node>)>;

/// A change, or what the caller got told.
#[derive(Clone, Debug)]
enum Event {
    /// A directory's entry now leads to this node, or to none; a rename changes two at once.
    Entries(Node, Entries),
    /// Bytes at the end of a file.
    Write(Node, Vec<u8>),
    /// All bytes of a file so far are on the disk.
    SyncFile(Node),
    /// All entries of a directory so far are on the disk.
    SyncDir(Node),
    /// A caller was promised that this is on the disk.
    Promise(i64),
}

#[derive(Clone, Debug)]
enum Content {
    File(Vec<u8>),
    Dir(BTreeMap<String, Node>),
}

/// Calls that do not do what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defects {
    /// Files are not synced, and nobody is told.
    pub(crate) files_stay_unsynced: bool,
    /// Directories are not synced, and nobody is told.
    pub(crate) dirs_stay_unsynced: bool,
    /// The sync of this number fails: the bytes are lost, and the caller is told.
    pub(crate) failing_sync: Option<usize>,
    /// From this event on the process is dead: no call changes anything.
    pub(crate) dead_after: Option<usize>,
}

#[derive(Debug)]
struct State {
    /// What is there now, as long as the power stays.
    nodes: Vec<Content>,
    events: Vec<Event>,
    /// How many events belong to the state that was on the disk at the start.
    durable: usize,
    syncs: usize,
    defects: Defects,
}

/// The file system. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ModelFs(Arc<Mutex<State>>);

/// What a power cut may leave.
pub(crate) struct Cut {
    /// Files and directories from the root on; a directory has no bytes.
    pub(crate) tree: BTreeMap<String, Option<Vec<u8>>>,
    /// The largest promise that was made before.
    pub(crate) promised: i64,
}

impl ModelFs {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            nodes: vec![Content::Dir(BTreeMap::new())],
            events: Vec::new(),
            durable: 0,
            syncs: 0,
            defects: Defects::default(),
        })))
    }

    /// A file system with these files and directories, all on the disk.
    pub(crate) fn holding(tree: &BTreeMap<String, Option<Vec<u8>>>) -> Self {
        let fs = Self::new();
        for (path, bytes) in tree {
            match bytes {
                None => fs.create_dir(Path::new(path)).unwrap(),
                Some(bytes) => fs
                    .create(Path::new(path))
                    .and_then(|mut file| file.write_all(bytes))
                    .unwrap(),
            }
        }
        fs.settle();
        fs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on all that is there is on the disk.
    pub(crate) fn settle(&self) {
        let mut state = self.state();
        state.durable = state.events.len();
    }

    pub(crate) fn set(&self, defects: Defects) {
        let mut state = self.state();
        state.syncs = 0;
        state.defects = defects;
    }

    pub(crate) fn promise(&self, what: i64) {
        self.state().events.push(Event::Promise(what));
    }

    /// Events so far.
    pub(crate) fn len(&self) -> usize {
        self.state().events.len()
    }

    /// Files and directories that were asked to be synced since the defects were set.
    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Hands everything that a power cut after any event from number `from` on may leave to `judge`.
    pub(crate) fn every_cut(&self, from: usize, judge: &mut dyn FnMut(Cut)) {
        let state = self.state();
        for at in from.max(state.durable)..=state.events.len() {
            state.cuts_at(at, judge);
        }
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<Node> {
        let mut node = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            let Content::Dir(entries) = &self.nodes[node] else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            node = *entries
                .get(name.to_str().unwrap())
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The directory of a path, and the name in it.
    fn place(&self, path: &Path) -> io::Result<(Node, String)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.find(path.parent().unwrap_or(Path::new("/")))?;
        Ok((dir, name.to_str().unwrap().to_owned()))
    }

    fn is_dead(&self) -> bool {
        let after = self.defects.dead_after;
        after.is_some_and(|after| self.events.len() >= after)
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("killed"));
        }
        Ok(())
    }

    fn change(&mut self, dir: Node, entries: Entries) {
        if let Content::Dir(now) = &mut self.nodes[dir] {
            apply(now, &entries);
        }
        self.events.push(Event::Entries(dir, entries));
    }

    fn add(&mut self, dir: Node, name: String, content: Content) -> Node {
        self.nodes.push(content);
        let node = self.nodes.len() - 1;
        self.change(dir, vec![(name, Some(node))]);
        node
    }

    fn remove(&mut self, dir: Node, name: &str) -> io::Result<()> {
        let Content::Dir(entries) = &self.nodes[dir] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let node = *entries.get(name).ok_or(io::ErrorKind::NotFound)?;
        if let Content::Dir(children) = &self.nodes[node] {
            let names: Vec<String> = children.keys().cloned().collect();
            names.iter().try_for_each(|name| self.remove(node, name))?;
        }
        self.alive()?;
        self.change(dir, vec![(name.to_owned(), None)]);
        Ok(())
    }

    /// Notes a sync; `Ok(false)` if it is silently left out.
    fn syncs(&mut self, silent: bool) -> io::Result<bool> {
        self.alive()?;
        let number = self.syncs;
        self.syncs += 1;
        if self.defects.failing_sync == Some(number) {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        Ok(!silent)
    }

    /// What a cut after the first `at` events may leave.
    fn cuts_at(&self, at: usize, judge: &mut dyn FnMut(Cut)) {
        let mut disk = Disk::default();
        let mut promised = i64::MIN;
        let mut pending: Vec<(Node, &Entries)> = Vec::new();
        for (number, event) in self.events[..at].iter().enumerate() {
            match event {
                Event::Promise(what) => promised = promised.max(*what),
                Event::Write(node, bytes) => disk.file(*node).0.extend(bytes),
                Event::SyncFile(node) => disk.file(*node).sync(),
                Event::Entries(dir, entries) => pending.push((*dir, entries)),
                Event::SyncDir(dir) => pending.retain(|(of, entries)| {
                    if of == dir {
                        apply(disk.dir(*dir), entries);
                    }
                    of != dir
                }),
            }
            if number + 1 == self.durable {
                for (dir, entries) in pending.drain(..) {
                    apply(disk.dir(dir), entries);
                }
                disk.files.values_mut().for_each(FileOnDisk::sync);
            }
        }
        for chosen in subsets(pending.len()) {
            let mut left = disk.clone();
            for (i, (dir, entries)) in pending.iter().enumerate() {
                if chosen(i) {
                    apply(left.dir(*dir), entries);
                }
            }
            left.every_content(&self.nodes, &mut |tree| {
                judge(Cut { tree, promised });
            });
        }
    }
}

fn apply(now: &mut BTreeMap<String, Node>, entries: &[(String, Option<Node>)]) {
    for (name, node) in entries {
        match node {
            Some(node) => now.insert(name.clone(), *node),
            None => now.remove(name),
        };
    }
}

/// Which of `count` pending changes reached the disk: all subsets of few; of many the first ones, all but one, one alone, all but
/// the first ones.
fn subsets(count: usize) -> Vec<Box<dyn Fn(usize) -> bool>> {
    let mut all: Vec<Box<dyn Fn(usize) -> bool>> = Vec::new();
    if count <= ALL_SUBSETS {
        for bits in 0..1_usize << count {
            all.push(Box::new(move |i| bits >> i & 1 == 1));
        }
        return all;
    }
    for n in 0..=count {
        all.push(Box::new(move |i| i < n));
        all.push(Box::new(move |i| i >= n));
    }
    for n in 0..count {
        all.push(Box::new(move |i| i != n));
        all.push(Box::new(move |i| i == n));
    }
    all
}

/// A file's bytes, and how many of them are synced.
#[derive(Clone, Debug, Default)]
struct FileOnDisk(Vec<u8>, usize);

impl FileOnDisk {
    fn sync(&mut self) {
        self.1 = self.0.len();
    }

    /// What may be found in its place.
    fn variants(&self) -> Vec<Vec<u8>> {
        let (bytes, synced) = (&self.0, self.1);
        let mut found = vec![bytes.clone()];
        let unsynced = bytes.len() - synced;
        if unsynced == 0 {
            return found;
        }
        for kept in [0, 1, unsynced / 2, unsynced - 1] {
            found.push(bytes[..synced + kept].to_vec());
            // The length is on the disk, the bytes behind these are not.
            let mut zeros = bytes[..synced + kept].to_vec();
            zeros.resize(bytes.len(), 0);
            found.push(zeros);
        }
        found.sort();
        found.dedup();
        found
    }
}

/// What is on the disk for certain, or by choice.
#[derive(Clone, Debug, Default)]
struct Disk {
    dirs: BTreeMap<Node, BTreeMap<String, Node>>,
    files: BTreeMap<Node, FileOnDisk>,
}

impl Disk {
    fn dir(&mut self, node: Node) -> &mut BTreeMap<String, Node> {
        self.dirs.entry(node).or_default()
    }

    fn file(&mut self, node: Node) -> &mut FileOnDisk {
        self.files.entry(node).or_default()
    }

    /// The tree from the root on, with every content that its files may have: one file at a time is cut, or all are.
    fn every_content(
        &self,
        nodes: &[Content],
        found: &mut dyn FnMut(BTreeMap<String, Option<Vec<u8>>>),
    ) {
        let mut tree = BTreeMap::new();
        let mut unsure = Vec::new();
        self.walk(ROOT, "", nodes, &mut tree, &mut unsure);
        found(tree.clone());
        for (path, variants) in &unsure {
            for bytes in variants {
                let mut other = tree.clone();
                other.insert(path.clone(), Some(bytes.clone()));
                found(other);
            }
        }
        if unsure.len() > 1 {
            for (path, variants) in &unsure {
                tree.insert(path.clone(), variants.first().cloned());
            }
            found(tree);
        }
    }

    fn walk(
        &self,
        dir: Node,
        path: &str,
        nodes: &[Content],
        tree: &mut BTreeMap<String, Option<Vec<u8>>>,
        unsure: &mut Vec<(String, Vec<Vec<u8>>)>,
    ) {
        for (name, &node) in self.dirs.get(&dir).into_iter().flatten() {
            let path = format!("{path}/{name}");
            match &nodes[node] {
                Content::Dir(_) => {
                    tree.insert(path.clone(), None);
                    self.walk(node, &path, nodes, tree, unsure);
                }
                Content::File(_) => {
                    let file = self.files.get(&node).cloned().unwrap_or_default();
                    let variants = file.variants();
                    tree.insert(path.clone(), Some(file.0));
                    if variants.len() > 1 {
                        unsure.push((path, variants));
                    }
                }
            }
        }
    }
}

struct ModelWrite {
    node: Node,
    fs: ModelFs,
}

impl Write for ModelWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.fs.state();
        state.alive()?;
        if let Content::File(now) = &mut state.nodes[self.node] {
            now.extend(bytes);
        }
        state.events.push(Event::Write(self.node, bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for ModelWrite {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.fs.state();
        let silent = state.defects.files_stay_unsynced;
        if state.syncs(silent)? {
            state.events.push(Event::SyncFile(self.node));
        }
        Ok(())
    }
}

impl FileSystem for ModelFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        state.alive()?;
        if state.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (dir, name) = state.place(path)?;
        let node = state.add(dir, name, Content::File(Vec::new()));
        let fs = self.clone();
        Ok(Box::new(ModelWrite { node, fs }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.state().find(path).is_ok() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_dir(parent)?;
        }
        let mut state = self.state();
        state.alive()?;
        let (dir, name) = state.place(path)?;
        state.add(dir, name, Content::Dir(BTreeMap::new()));
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let state = self.state();
        match &state.nodes[state.find(path)?] {
            Content::File(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Content::Dir(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        let node = state.find(from)?;
        let ((dir, old), (other, new)) = (state.place(from)?, state.place(to)?);
        assert_eq!(dir, other, "the model knows renames within a directory");
        if let Ok(there) = state.find(to)
            && let Content::Dir(entries) = &state.nodes[there]
            && !entries.is_empty()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(dir, vec![(old, None), (new, Some(node))]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find(path)?;
        let silent = state.defects.dirs_stay_unsynced;
        if state.syncs(silent)? {
            state.events.push(Event::SyncDir(node));
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.state();
        let Content::Dir(entries) = &state.nodes[state.find(path)?] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let entry = |(name, node): (&String, &Node)| Entry {
            name: OsString::from(name),
            kind: kind_of(&state.nodes[*node]),
        };
        Ok(entries.iter().map(entry).collect())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        let state = self.state();
        match state.find(path) {
            Ok(node) => Ok(Some(kind_of(&state.nodes[node]))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        let (dir, name) = state.place(path)?;
        state.remove(dir, &name)
    }
}

fn kind_of(content: &Content) -> EntryKind {
    match content {
        Content::File(_) => EntryKind::File,
        Content::Dir(_) => EntryKind::Directory,
    }
}
