//! The protobuf messages of event files, by hand: the fields that TensorBoard reads for scalars, histograms, texts and images.
//!
//! Source: TensorFlow, `tensorflow/core/util/event.proto`, `core/framework/{summary,tensor,tensor_shape,types}.proto`. Unknown fields are
//! skipped, as protobuf demands.

/// One event: a time, a step, and what happened.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Seconds since 1970 (UTC).
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Training step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// What happened.
    #[prost(oneof = "What", tags = "3, 4, 5, 7")]
    pub what: Option<What>,
}

/// What an [`Event`] holds.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum What {
    /// The file version; the first event of a file.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// An encoded graph (never written here).
    #[prost(bytes, tag = "4")]
    GraphDef(Vec<u8>),
    /// Values to show.
    #[prost(message, tag = "5")]
    Summary(Summary),
    /// Start or end of a session. With status start at step `s`, TensorBoard drops what earlier events said about steps `>= s`.
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// A session's status.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionLog {
    /// 1 start, 2 stop, 3 checkpoint.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// Path of a checkpoint.
    #[prost(string, tag = "2")]
    pub checkpoint_path: String,
    /// Free text.
    #[prost(string, tag = "3")]
    pub msg: String,
}

/// A set of named values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A named value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// Its name; `/` makes groups.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// Which plugin shows it, when that is not plain from the kind of value.
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
    /// The value.
    #[prost(oneof = "Kind", tags = "2, 4, 5, 8")]
    pub value: Option<Kind>,
}

/// Kinds of value.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    /// A scalar.
    #[prost(float, tag = "2")]
    Simple(f32),
    /// An encoded image.
    #[prost(message, tag = "4")]
    Image(Image),
    /// A histogram.
    #[prost(message, tag = "5")]
    Histogram(HistogramProto),
    /// A tensor: how texts are stored, and what newer TensorFlow writes for scalars.
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

/// An encoded image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// Height in pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// Width in pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// Channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The bytes of the PNG (or JPEG, GIF) file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// A histogram: `bucket[i]` values lie between `bucket_limit[i - 1]` and `bucket_limit[i]`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramProto {
    /// Least value.
    #[prost(double, tag = "1")]
    pub min: f64,
    /// Greatest value.
    #[prost(double, tag = "2")]
    pub max: f64,
    /// Number of values.
    #[prost(double, tag = "3")]
    pub num: f64,
    /// Sum of the values.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// Sum of their squares.
    #[prost(double, tag = "5")]
    pub sum_squares: f64,
    /// Upper ends of the buckets, ascending.
    #[prost(double, repeated, tag = "6")]
    pub bucket_limit: Vec<f64>,
    /// Number of values a bucket.
    #[prost(double, repeated, tag = "7")]
    pub bucket: Vec<f64>,
}

/// How a value wants to be shown.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// The plugin.
    #[prost(message, optional, tag = "1")]
    pub plugin_data: Option<PluginData>,
    /// A name to show in place of the tag.
    #[prost(string, tag = "2")]
    pub display_name: String,
    /// A description, in Markdown.
    #[prost(string, tag = "3")]
    pub summary_description: String,
}

/// A plugin and its own data.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PluginData {
    /// Name of the plugin, such as `text`.
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    /// Its data.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

/// `DataType.DT_FLOAT` of [`Tensor::dtype`].
pub const DT_FLOAT: i32 = 1;
/// `DataType.DT_STRING` of [`Tensor::dtype`].
pub const DT_STRING: i32 = 7;

/// A small tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    /// Type of its elements, such as [`DT_STRING`].
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    /// Its shape.
    #[prost(message, optional, tag = "2")]
    pub tensor_shape: Option<TensorShape>,
    /// Elements as little-endian bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub tensor_content: Vec<u8>,
    /// Elements of a float tensor.
    #[prost(float, repeated, tag = "5")]
    pub float_val: Vec<f32>,
    /// Elements of a string tensor.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub string_val: Vec<Vec<u8>>,
}

/// A tensor's shape; no dims for a scalar.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShape {
    /// Its dims.
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dim>,
}

/// One dim.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dim {
    /// Its size.
    #[prost(int64, tag = "1")]
    pub size: i64,
    /// Its name, mostly empty.
    #[prost(string, tag = "2")]
    pub name: String,
}
