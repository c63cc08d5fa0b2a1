//! Metrics as Envoy keeps them: every definition makes a new id, equal names share a value.

use std::collections::BTreeMap;

use proxy_wasm::types::{MetricType, Status};

/// A snapshot of the metrics that the plugin has defined.
///
/// Each getter panics for a name that was never defined, and lists those that were: a typing
/// error in a test would otherwise read as zero.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    ids: Vec<(Kind, String)>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, u64>,
    histograms: BTreeMap<String, Vec<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metrics {
    /// The value of a counter.
    #[track_caller]
    pub fn counter(&self, name: &str) -> u64 {
        *self.counters.get(name).unwrap_or_else(|| panic!("no counter `{name}` in {self:?}"))
    }

    /// The value of a gauge.
    #[track_caller]
    pub fn gauge(&self, name: &str) -> u64 {
        *self.gauges.get(name).unwrap_or_else(|| panic!("no gauge `{name}` in {self:?}"))
    }

    /// What was recorded into a histogram, in order.
    #[track_caller]
    pub fn histogram(&self, name: &str) -> &[u64] {
        self.histograms.get(name).unwrap_or_else(|| panic!("no histogram `{name}` in {self:?}"))
    }

    /// How often `name` was defined. Each definition makes a new id that is never freed, so
    /// more than one is a leak.
    pub fn definitions(&self, name: &str) -> usize {
        self.ids.iter().filter(|(_, defined)| defined == name).count()
    }

    /// Every counter with its value.
    pub fn counters(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counters.iter().map(|(name, value)| (name.as_str(), *value))
    }

    pub(crate) fn define(&mut self, kind: MetricType, name: &str) -> Result<u32, Status> {
        let kind = match kind {
            MetricType::Counter => Kind::Counter,
            MetricType::Gauge => Kind::Gauge,
            MetricType::Histogram => Kind::Histogram,
            _ => return Err(Status::BadArgument),
        };
        let name = name.to_owned();
        match kind {
            Kind::Counter => {
                self.counters.entry(name.clone()).or_default();
            }
            Kind::Gauge => {
                self.gauges.entry(name.clone()).or_default();
            }
            Kind::Histogram => {
                self.histograms.entry(name.clone()).or_default();
            }
        }
        self.ids.push((kind, name));
        u32::try_from(self.ids.len()).map_err(|_| Status::InternalFailure)
    }

    pub(crate) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        match self.slot(id)? {
            // Envoy's counters only grow, and it calls a step of zero wrong as well.
            Slot::Counter(value) => {
                let step = u64::try_from(offset).ok().filter(|step| *step > 0);
                *value += step.ok_or(Status::BadArgument)?;
            }
            Slot::Gauge(value) => *value = value.saturating_add_signed(offset),
            Slot::Histogram(_) => return Err(Status::BadArgument),
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, id: u32, recorded: u64) -> Result<(), Status> {
        match self.slot(id)? {
            Slot::Counter(value) => *value += recorded,
            Slot::Gauge(value) => *value = recorded,
            Slot::Histogram(values) => values.push(recorded),
        }
        Ok(())
    }

    pub(crate) fn get(&mut self, id: u32) -> Result<u64, Status> {
        match self.slot(id)? {
            Slot::Counter(value) | Slot::Gauge(value) => Ok(*value),
            Slot::Histogram(_) => Err(Status::BadArgument),
        }
    }

    fn slot(&mut self, id: u32) -> Result<Slot<'_>, Status> {
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let (kind, name) = index.and_then(|index| self.ids.get(index)).ok_or(Status::NotFound)?;
        let slot = match kind {
            Kind::Counter => self.counters.get_mut(name).map(Slot::Counter),
            Kind::Gauge => self.gauges.get_mut(name).map(Slot::Gauge),
            Kind::Histogram => self.histograms.get_mut(name).map(Slot::Histogram),
        };
        slot.ok_or(Status::NotFound)
    }
}

enum Slot<'a> {
    Counter(&'a mut u64),
    Gauge(&'a mut u64),
    Histogram(&'a mut Vec<u64>),
}

#[cfg(test)]
mod tests {
    use proxy_wasm::types::{MetricType, Status};

    use super::Metrics;

    #[test]
    fn each_definition_makes_a_new_id_of_one_value() {
        let mut metrics = Metrics::default();
        let first = metrics.define(MetricType::Counter, "allowed").unwrap();
        let second = metrics.define(MetricType::Counter, "allowed").unwrap();
        metrics.increment(first, 1).unwrap();
        metrics.increment(second, 2).unwrap();
        assert_ne!(first, second);
        assert_eq!(metrics.counter("allowed"), 3);
        assert_eq!(metrics.definitions("allowed"), 2);
    }

    #[test]
    fn counter_never_falls() {
        let mut metrics = Metrics::default();
        let id = metrics.define(MetricType::Counter, "allowed").unwrap();
        assert_eq!(metrics.increment(id, -1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(id, 0), Err(Status::BadArgument));
    }

    #[test]
    fn unknown_id_is_not_found() {
        assert_eq!(Metrics::default().record(0, 1), Err(Status::NotFound));
        assert_eq!(Metrics::default().get(7), Err(Status::NotFound));
    }

    #[test]
    #[should_panic(expected = "no counter `alowed`")]
    fn misspelt_name_is_not_zero() {
        let mut metrics = Metrics::default();
        metrics.define(MetricType::Counter, "allowed").unwrap();
        metrics.counter("alowed");
    }
}
