//! What the fuzz targets share: a supergraph with all that federation knows, generators that turn bytes into
//! operations, values and answers, and judges that know what must hold of the outcome.
//!
//! The judges follow the GraphQL specification and share no code with what they judge, as far as that can be.

pub mod answers;
pub mod dice;
pub mod effort;
pub mod judge;
pub mod operation;
pub mod response;
pub mod subgraphs;
pub mod types;
pub mod values;
pub mod world;
