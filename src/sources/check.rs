//! What is wrong with the options of providers, whether or not their brokers are there.

use super::{
    kafka_check, nats,
    options::{Options, StartError, kind_name},
    redis,
};
use crate::plan::{ProviderId, ProviderKind};

/// Everything for which no provider would start. Reads the files that the options name, and connects nothing.
pub fn check(options: &Options) -> Vec<StartError> {
    let mut errors: Vec<StartError> = super::check_ids(options).err().into_iter().collect();
    if !options.skip_unavailable_providers {
        errors.extend(options.unavailable.iter().map(|(kind, id)| unavailable(*kind, id)));
    }
    let nats = options.nats.iter().map(|it| ("nats", &it.id, nats::check(it)));
    let redis = options.redis.iter().map(|it| ("redis", &it.id, redis::check(it)));
    let kafka = options.kafka.iter().map(|it| ("kafka", &it.id, kafka_check(it)));
    let wrong = nats.chain(redis).chain(kafka).filter_map(|(kind, id, it)| Some((kind, id, it.err()?)));
    errors.extend(wrong.map(|(kind, id, reason)| StartError::Invalid { kind, id: id.clone(), reason }));
    errors
}

/// Those of the providers that a schema names which the options do not have.
pub fn missing(options: &Options, used: &[(ProviderKind, ProviderId)]) -> Vec<StartError> {
    let error =
        |(kind, id): &(ProviderKind, ProviderId)| match options.unavailable.contains(&(*kind, id.clone())) {
            true => unavailable(*kind, id),
            false => StartError::Undefined { kind: kind_name(*kind), id: id.clone() },
        };
    used.iter().filter(|(kind, id)| !has(options, *kind, id)).map(error).collect()
}

fn has(options: &Options, kind: ProviderKind, id: &ProviderId) -> bool {
    match kind {
        ProviderKind::Nats => {
            let memory = options.memory.iter().map(|it| &it.id);
            options.nats.iter().map(|it| &it.id).chain(memory).any(|it| it == id)
        }
        ProviderKind::Kafka => options.kafka.iter().any(|it| it.id == *id),
        ProviderKind::Redis => options.redis.iter().any(|it| it.id == *id),
    }
}

fn unavailable(kind: ProviderKind, id: &ProviderId) -> StartError {
    StartError::Unavailable { kind: kind_name(kind), id: id.clone() }
}
