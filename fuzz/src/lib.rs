//! What the fuzz targets share: a supergraph with all that federation knows, generators that turn bytes into
//! operations, values, answers and frames, and judges that know what must hold of the outcome.
//!
//! The judges follow the GraphQL specification (for frames, RFC 6455) and share no code with what they judge, as far as that can be.

pub mod answers;
pub mod dice;
pub mod effort;
pub mod frames;
pub mod judge;
pub mod loading;
pub mod operation;
pub mod reading;
pub mod response;
pub mod subgraphs;
pub mod types;
pub mod values;
pub mod world;
