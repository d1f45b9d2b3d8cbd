//! Gradient descent whose whole state can be saved and read back, which tch's own optimizers don't
//! offer.
//!
//! The variables of a group are laid out one after the other in one flat tensor, of which each
//! becomes a view. A step is then a handful of operations however many variables there are.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::bad_input;

/// Which rule. Constants are those of PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam (Kingma and Ba, arXiv:1412.6980); weight decay is added to the gradient.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).
    AdamW,
    /// Stochastic gradient descent with momentum 0.9; weight decay is added to the gradient.
    Sgd,
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
const MOMENTUM: f64 = 0.9;

/// Variables that learn at the same rate.
struct Group {
    variables: Vec<Tensor>,
    /// Their values; every variable is a view of its part.
    values: Tensor,
    /// Mean of the gradients (of SGD: the momentum).
    first: Tensor,
    /// Mean of their squares (of SGD: unused, empty).
    second: Tensor,
    /// The rate is multiplied by this.
    factor: f64,
}

impl Group {
    fn new(mut variables: Vec<Tensor>, factor: f64, rule: Rule) -> Self {
        let flat: Vec<_> = variables.iter().map(|v| v.detach().view(-1)).collect();
        let values = Tensor::cat(&flat, 0);
        let mut start = 0;
        for variable in &mut variables {
            let size = variable.size();
            let n = variable.numel() as i64;
            variable.set_data(&values.narrow(0, start, n).view(size.as_slice()));
            start += n;
        }
        let second = match rule {
            Rule::Adam | Rule::AdamW => values.zeros_like(),
            Rule::Sgd => Tensor::zeros([0], (Kind::Float, values.device())),
        };
        Self {
            first: values.zeros_like(),
            second,
            variables,
            values,
            factor,
        }
    }
}

/// An optimizer over all variables that learn.
pub struct Optimizer {
    rule: Rule,
    weight_decay: f64,
    /// Gradients together are no longer than this; 0 for any length.
    clip: f64,
    groups: Vec<Group>,
    steps: i64,
}

impl Optimizer {
    /// Takes the variables over: they keep their values and become views of flat tensors. Each
    /// group learns at the rate multiplied by its factor; empty groups are left out.
    pub fn new(
        rule: Rule,
        weight_decay: f64,
        clip: f64,
        groups: impl IntoIterator<Item = (Vec<Tensor>, f64)>,
    ) -> Self {
        let groups = tch::no_grad(|| {
            groups
                .into_iter()
                .filter(|(variables, _)| !variables.is_empty())
                .map(|(variables, factor)| Group::new(variables, factor, rule))
                .collect()
        });
        Self {
            rule,
            weight_decay,
            clip,
            groups,
            steps: 0,
        }
    }

    /// Moves the variables one step down the loss, whose graph is used up.
    pub fn step(&mut self, loss: &Tensor, rate: f64) {
        let variables: Vec<&Tensor> = self.groups.iter().flat_map(|g| &g.variables).collect();
        let mut gradients = Tensor::run_backward(&[loss], &variables, false, false);
        tch::no_grad(|| {
            let mut flat: Vec<Tensor> = self
                .groups
                .iter()
                .map(|group| {
                    let rest = gradients.split_off(group.variables.len());
                    let own = std::mem::replace(&mut gradients, rest);
                    let own: Vec<_> = own.iter().map(|g| g.reshape(-1)).collect();
                    Tensor::cat(&own, 0)
                })
                .collect();
            if self.clip > 0.0 {
                shorten(&mut flat, self.clip);
            }
            self.steps += 1;
            for (group, gradient) in self.groups.iter_mut().zip(flat) {
                let rate = rate * group.factor;
                update(
                    group,
                    gradient,
                    self.rule,
                    rate,
                    self.weight_decay,
                    self.steps,
                );
            }
        });
    }

    /// Everything that the next step depends on, beside the variables themselves.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![("optimizer.steps".to_owned(), Tensor::from(self.steps))];
        for (i, group) in self.groups.iter().enumerate() {
            state.push((
                format!("optimizer.{i}.first"),
                group.first.to_device(Device::Cpu),
            ));
            state.push((
                format!("optimizer.{i}.second"),
                group.second.to_device(Device::Cpu),
            ));
        }
        state
    }

    /// Takes back what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// It was the state of another optimizer or of other variables.
    pub fn restore(&mut self, find: impl Fn(&str) -> Result<Tensor>) -> Result<()> {
        self.steps = i64::try_from(find("optimizer.steps")?)?;
        for (i, group) in self.groups.iter_mut().enumerate() {
            for (what, tensor) in [("first", &mut group.first), ("second", &mut group.second)] {
                let saved = find(&format!("optimizer.{i}.{what}"))?;
                if saved.size() != tensor.size() {
                    return Err(bad_input!(
                        "the saved state is that of another optimizer or of other variables"
                    ));
                }
                tensor.copy_(&saved);
            }
        }
        Ok(())
    }
}

/// Scales gradients down so that together they are no longer than `most`.
fn shorten(gradients: &mut [Tensor], most: f64) {
    let lengths: Vec<_> = gradients.iter().map(Tensor::norm).collect();
    // Stays on the device: nothing waits for the number.
    let factor = (most / (Tensor::stack(&lengths, 0).norm() + 1e-6)).clamp_max(1.0);
    for gradient in gradients {
        let _ = gradient.g_mul_(&factor);
    }
}

fn update(group: &mut Group, gradient: Tensor, rule: Rule, rate: f64, decay: f64, steps: i64) {
    let Group {
        values,
        first,
        second,
        ..
    } = group;
    let mut gradient = match rule {
        Rule::AdamW => {
            let _ = values.g_mul_scalar_(1.0 - rate * decay);
            gradient
        }
        Rule::Adam | Rule::Sgd if decay > 0.0 => gradient + &*values * decay,
        Rule::Adam | Rule::Sgd => gradient,
    };
    if rule == Rule::Sgd {
        let _ = first.g_mul_scalar_(MOMENTUM).g_add_(&gradient);
        let _ = values.g_sub_(&(&*first * rate));
        return;
    }
    let _ = first.lerp_(&gradient, 1.0 - BETA1);
    let _ = second.lerp_(&gradient.square_(), 1.0 - BETA2);
    let unbias = |beta: f64| 1.0 - beta.powi(i32::try_from(steps).unwrap_or(i32::MAX));
    // The gradient has served and takes the divisor: fresh memory for each intermediate result would
    // cost more than the arithmetic. At a rate of 0 the divisor is infinite, and nothing moves.
    let mut divisor = second.sqrt_out(&gradient);
    let _ = divisor
        .g_div_scalar_(unbias(BETA2).sqrt())
        .g_add_scalar_(EPSILON)
        .g_mul_scalar_(-unbias(BETA1) / rate);
    let _ = values.addcdiv_(first, &divisor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::{self, OptimizerConfig};

    /// Two variables and a loss that pulls them to known places.
    fn problem(root: &nn::Path<'_>) -> (Vec<Tensor>, impl Fn(&[Tensor]) -> Tensor + use<>) {
        let a = root.var("a", &[2, 3], nn::Init::Const(1.0));
        let b = root.var("b", &[4], nn::Init::Const(-2.0));
        let loss = |v: &[Tensor]| {
            let weights = Tensor::arange(4, (Kind::Float, Device::Cpu)) + 1.0;
            (&v[0] - 0.5).square().sum(Kind::Float)
                + ((&v[1] - 1.0) * weights).square().sum(Kind::Float)
        };
        (vec![a, b], loss)
    }

    fn values(variables: &[Tensor]) -> Vec<f32> {
        let all: Vec<_> = variables.iter().map(|v| v.detach().reshape(-1)).collect();
        Tensor::cat(&all, 0).try_into().unwrap()
    }

    #[test]
    fn each_rule_goes_the_way_of_libtorchs_own() {
        for rule in [Rule::Adam, Rule::AdamW, Rule::Sgd] {
            let (ours, theirs) = (
                nn::VarStore::new(Device::Cpu),
                nn::VarStore::new(Device::Cpu),
            );
            let (v, loss) = problem(&ours.root());
            let (w, same_loss) = problem(&theirs.root());
            let mut optimizer = Optimizer::new(
                rule,
                0.1,
                0.0,
                [(v.iter().map(Tensor::shallow_clone).collect(), 1.0)],
            );
            let rate = 0.01;
            let mut reference = match rule {
                Rule::Adam => nn::adam(0.9, 0.999, 0.1).build(&theirs, rate).unwrap(),
                Rule::AdamW => nn::adamw(0.9, 0.999, 0.1).build(&theirs, rate).unwrap(),
                Rule::Sgd => nn::sgd(0.9, 0.0, 0.1, false).build(&theirs, rate).unwrap(),
            };
            for _ in 0..20 {
                optimizer.step(&loss(&v), rate);
                reference.backward_step(&same_loss(&w));
            }
            for (a, b) in values(&v).iter().zip(values(&w)) {
                assert!((a - b).abs() < 1e-5, "{rule:?}: {a} {b}");
            }
            assert!((values(&v)[0] - 1.0).abs() > 0.01, "{rule:?} moved");
        }
    }

    #[test]
    fn a_long_gradient_is_shortened_and_a_factor_slows() {
        let store = nn::VarStore::new(Device::Cpu);
        let (v, loss) = problem(&store.root());
        let before = values(&v);
        let groups = [
            (vec![v[0].shallow_clone()], 0.0),
            (vec![v[1].shallow_clone()], 1.0),
        ];
        Optimizer::new(Rule::Sgd, 0.0, 0.5, groups).step(&loss(&v), 1.0);
        let after = values(&v);
        assert_eq!(before[..6], after[..6], "a factor of 0 stands still");
        let moved: f32 = before[6..]
            .iter()
            .zip(&after[6..])
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        assert!(moved.sqrt() <= 0.5 && moved.sqrt() > 0.45, "{moved}");
    }

    #[test]
    fn at_a_rate_of_zero_nothing_moves_even_without_a_gradient() {
        let store = nn::VarStore::new(Device::Cpu);
        let (v, loss) = problem(&store.root());
        let before = values(&v);
        let own = v.iter().map(Tensor::shallow_clone).collect();
        let mut optimizer = Optimizer::new(Rule::Adam, 0.0, 0.0, [(own, 1.0)]);
        optimizer.step(&(loss(&v) * 0.0), 0.0);
        optimizer.step(&loss(&v), 0.0);
        assert_eq!(values(&v), before);
    }

    #[test]
    fn a_restored_optimizer_goes_on_to_the_same_place() {
        let store = nn::VarStore::new(Device::Cpu);
        let (v, loss) = problem(&store.root());
        let own = |v: &[Tensor]| [(v.iter().map(Tensor::shallow_clone).collect(), 1.0)];
        let mut optimizer = Optimizer::new(Rule::AdamW, 0.1, 1.0, own(&v));
        (0..5).for_each(|_| optimizer.step(&loss(&v), 0.05));
        let (middle, state) = (values(&v), optimizer.state());
        let state: Vec<_> = state.into_iter().map(|(n, t)| (n, t.copy())).collect();
        (0..5).for_each(|_| optimizer.step(&loss(&v), 0.05));

        let later = nn::VarStore::new(Device::Cpu);
        let (w, same_loss) = problem(&later.root());
        let mut again = Optimizer::new(Rule::AdamW, 0.1, 1.0, own(&w));
        let find = |name: &str| {
            let found = state.iter().find(|(n, _)| n == name);
            Ok(found.unwrap().1.shallow_clone())
        };
        again.restore(find).unwrap();
        tch::no_grad(|| {
            let middle = Tensor::from_slice(&middle);
            w[0].shallow_clone()
                .copy_(&middle.narrow(0, 0, 6).view([2, 3]));
            w[1].shallow_clone().copy_(&middle.narrow(0, 6, 4));
        });
        (0..5).for_each(|_| again.step(&same_loss(&w), 0.05));
        assert_eq!(values(&v), values(&w));
    }
}
