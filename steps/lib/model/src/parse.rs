//! From the notation to a network.

use anyhow::{Context, bail, ensure};
use selvedge_data::Shape;

use crate::network::{Convolution, Layer, Linear, Network, Norm, ParameterTensor, Start, aligned};

/// Widest layer.
const MAX_OUTPUTS: usize = 4096;
/// Largest kernel, stride and padding.
const MAX_KERNEL: usize = 31;
/// Longest side of a record, and most channels.
const MAX_SIDE: usize = 1024;
/// Most multiply-adds of a forward pass: a thousand times those of the default networks.
const MAX_MULTIPLY_ADDS: u64 = 5_000_000_000;
/// Most parameters: 200 MB of them.
const MAX_PARAMETERS: usize = 50_000_000;

/// What comes out of the layers so far.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// An image.
    Image(Shape),
    /// A row of numbers.
    Row(usize),
    /// The classes: nothing may follow.
    Classes,
}

struct Builder {
    network: Network,
    form: Form,
}

/// See [`Network::parse`].
pub(crate) fn network(spec: &str, input: Shape, classes: usize) -> anyhow::Result<Network> {
    let sides = [input.height, input.width, input.channels];
    ensure!(
        sides.iter().all(|side| (1..=MAX_SIDE).contains(side)),
        "records of {} × {} × {} have no network: sides are 1 to {MAX_SIDE}",
        input.height,
        input.width,
        input.channels
    );
    ensure!((2..=256).contains(&classes), "{classes} classes: expected 2 to 256");
    let mut builder = Builder::new(spec, input, classes);
    for token in spec.split_whitespace() {
        builder.layer(token).with_context(|| format!("layer {token:?} of network {spec:?}"))?;
    }
    let complete = matches!(builder.form, Form::Classes);
    ensure!(complete, "network {spec:?} does not end in an output layer `o`");
    Ok(builder.network)
}

impl Builder {
    fn new(spec: &str, input: Shape, classes: usize) -> Self {
        let network = Network {
            spec: spec.to_owned(),
            input,
            classes,
            layers: Vec::new(),
            tensors: Vec::new(),
            norms: Vec::new(),
            multiply_adds: 0,
        };
        Self { network, form: Form::Image(input) }
    }

    fn layer(&mut self, token: &str) -> anyhow::Result<()> {
        let kind = token.chars().next().unwrap_or(' ');
        let numbers = numbers(&token[kind.len_utf8()..])?;
        let name = self.network.layers.len().to_string();
        let layer = match (kind, numbers.as_slice()) {
            ('c', &[outputs, kernel]) => self.plain(&name, outputs, kernel, 1, kernel / 2)?,
            ('c', &[outputs, kernel, stride]) => self.plain(&name, outputs, kernel, stride, kernel / 2)?,
            ('c', &[outputs, kernel, stride, padding]) => {
                self.plain(&name, outputs, kernel, stride, padding)?
            }
            ('r', &[outputs, stride]) => self.residual(&name, outputs, stride)?,
            ('m', []) => self.pool()?,
            ('f', []) => self.flatten()?,
            ('b', &[outputs]) => self.hidden(&name, outputs)?,
            ('o', []) => self.output(&name, self.network.classes)?,
            ('o', &[outputs]) => self.output(&name, outputs)?,
            _ => bail!("expected one of cO.k cO.k.s cO.k.s.p rO.s m f bN o oN"),
        };
        self.network.layers.push(layer);
        let (cost, parameters) = (self.network.multiply_adds, self.network.parameters());
        ensure!(cost <= MAX_MULTIPLY_ADDS, "{cost} multiply-adds are more than {MAX_MULTIPLY_ADDS}");
        ensure!(parameters <= MAX_PARAMETERS, "{parameters} parameters are more than {MAX_PARAMETERS}");
        Ok(())
    }

    fn plain(
        &mut self,
        name: &str,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> anyhow::Result<Layer> {
        let (convolution, after) = self.convolution(name, self.image()?, outputs, kernel, stride, padding)?;
        self.form = Form::Image(after);
        Ok(Layer::Convolution(convolution))
    }

    fn residual(&mut self, name: &str, outputs: usize, stride: usize) -> anyhow::Result<Layer> {
        let before = self.image()?;
        let (first, middle) = self.convolution(&format!("{name}.first"), before, outputs, 3, stride, 1)?;
        let (second, after) = self.convolution(&format!("{name}.second"), middle, outputs, 3, 1, 1)?;
        let shortcut = if after == before {
            None
        } else {
            let name = format!("{name}.shortcut");
            Some(self.convolution(&name, before, outputs, 1, stride, 0)?.0)
        };
        self.form = Form::Image(after);
        Ok(Layer::Residual { first, second, shortcut })
    }

    fn pool(&mut self) -> anyhow::Result<Layer> {
        let mut image = self.image()?;
        ensure!(
            image.height >= 2 && image.width >= 2,
            "nothing is left of {} × {} after pooling",
            image.height,
            image.width
        );
        (image.height, image.width) = (image.height / 2, image.width / 2);
        self.form = Form::Image(image);
        Ok(Layer::Pool)
    }

    fn flatten(&mut self) -> anyhow::Result<Layer> {
        self.form = Form::Row(self.image()?.bytes());
        Ok(Layer::Flatten)
    }

    fn hidden(&mut self, name: &str, outputs: usize) -> anyhow::Result<Layer> {
        let weight = self.linear(name, outputs)?;
        let norm = Some(self.norm(name, outputs));
        self.form = Form::Row(outputs);
        Ok(Layer::Hidden(Linear { weight, norm }))
    }

    fn output(&mut self, name: &str, outputs: usize) -> anyhow::Result<Layer> {
        let classes = self.network.classes;
        ensure!(outputs == classes, "{outputs} outputs, but the data set has {classes} classes");
        let fan_in = self.row()?;
        let weight = self.linear(name, outputs)?;
        self.tensor(format!("{name}.bias"), vec![outputs], Start::Uniform { fan_in });
        self.form = Form::Classes;
        Ok(Layer::Output(Linear { weight, norm: None }))
    }

    fn convolution(
        &mut self,
        name: &str,
        before: Shape,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> anyhow::Result<(Convolution, Shape)> {
        at_most("outputs", outputs, MAX_OUTPUTS)?;
        at_most("kernel", kernel, MAX_KERNEL)?;
        at_most("stride", stride, MAX_KERNEL)?;
        ensure!(padding < kernel, "padding {padding} is not less than kernel {kernel}");
        let side = |length: usize| {
            let room = (length + 2 * padding).checked_sub(kernel);
            room.map(|room| room / stride + 1)
                .with_context(|| format!("kernel {kernel} is larger than {length} with padding {padding}"))
        };
        let after = Shape { height: side(before.height)?, width: side(before.width)?, channels: outputs };
        let fan_in = kernel * kernel * before.channels;
        self.network.multiply_adds += (after.bytes() * fan_in) as u64;
        let shape = vec![outputs, kernel, kernel, before.channels];
        let weight = self.tensor(format!("{name}.weight"), shape, Start::Uniform { fan_in });
        let norm = self.norm(name, outputs);
        let convolution = Convolution { weight, stride, padding, norm };
        Ok((convolution, after))
    }

    fn linear(&mut self, name: &str, outputs: usize) -> anyhow::Result<usize> {
        at_most("outputs", outputs, MAX_OUTPUTS)?;
        let fan_in = self.row()?;
        self.network.multiply_adds += (outputs * fan_in) as u64;
        let shape = vec![outputs, fan_in];
        Ok(self.tensor(format!("{name}.weight"), shape, Start::Uniform { fan_in }))
    }

    fn norm(&mut self, name: &str, channels: usize) -> usize {
        let name = format!("{name}.norm");
        let scale = self.tensor(format!("{name}.weight"), vec![channels], Start::One);
        self.tensor(format!("{name}.bias"), vec![channels], Start::Zero);
        self.network.norms.push(Norm { name, channels, scale });
        self.network.norms.len() - 1
    }

    fn tensor(&mut self, name: String, shape: Vec<usize>, start: Start) -> usize {
        let begin = self.network.len();
        let range = begin..begin + shape.iter().product::<usize>();
        debug_assert_eq!(begin, aligned(begin));
        self.network.tensors.push(ParameterTensor { name, shape, range, start });
        self.network.tensors.len() - 1
    }

    fn image(&self) -> anyhow::Result<Shape> {
        match self.form {
            Form::Image(image) => Ok(image),
            Form::Row(_) => bail!("it takes an image and cannot follow `f`"),
            Form::Classes => bail!("it follows the output layer"),
        }
    }

    fn row(&self) -> anyhow::Result<usize> {
        match self.form {
            Form::Row(length) => Ok(length),
            Form::Image(_) => bail!("it takes a row of numbers: flatten by `f` first"),
            Form::Classes => bail!("it follows the output layer"),
        }
    }
}

fn numbers(text: &str) -> anyhow::Result<Vec<usize>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| part.parse().ok()).flatten();
        number.with_context(|| format!("{part:?} is not a number"))
    };
    text.split('.').map(number).collect()
}

fn at_most(what: &str, value: usize, limit: usize) -> anyhow::Result<()> {
    ensure!((1..=limit).contains(&value), "{what} {value}: expected 1 to {limit}");
    Ok(())
}
