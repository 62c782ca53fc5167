"""How an estimated gradient moves the weights: Adam or momentum, with decoupled weight decay."""

from std.math import cos, pi, sqrt


@fieldwise_init
struct Rule(Equatable, ImplicitlyCopyable):
    """The kind of optimizer."""

    var number: Int
    """Its place in the options of the config."""

    comptime ADAM = Rule(0)
    """Kingma and Ba 2015, algorithm 1."""
    comptime MOMENTUM = Rule(1)
    """`v = beta v + g`, then `w = w + rate v`."""

    def __eq__(self, other: Rule) -> Bool:
        """Whether both are one rule.

        Args:
            other: The one to compare with.

        Returns:
            True if they are the same.
        """
        return self.number == other.number


@fieldwise_init
struct Decline(Equatable, ImplicitlyCopyable):
    """How the learning rate goes down."""

    var number: Int
    """Its place in the options of the config."""

    comptime CONSTANT = Decline(0)
    """It does not."""
    comptime LINEAR = Decline(1)
    """By equal steps."""
    comptime COSINE = Decline(2)
    """By half a wave."""

    def __eq__(self, other: Decline) -> Bool:
        """Whether both are one kind.

        Args:
            other: The one to compare with.

        Returns:
            True if they are the same.
        """
        return self.number == other.number


struct OptimizerSettings(ImplicitlyCopyable):
    """The section `optimizer` of a config and the schedule of the learning rate.
    """

    var rule: Rule
    """What turns the gradient into a step."""
    var rate: Float64
    """Learning rate at the start."""
    var beta1: Float64
    """Decay of the first moment, and the momentum."""
    var beta2: Float64
    """Decay of the second moment."""
    var epsilon: Float64
    """Added to the root of the second moment."""
    var weight_decay: Float64
    """Each update multiplies the weights by `1 - rate * weight_decay`."""
    var decline: Decline
    """The course of the learning rate."""
    var decline_generations: Int
    """Updates until the learning rate is `final_ratio` times the first."""
    var final_ratio: Float64
    """Last learning rate as a share of the first, in 0..=1; a constant rate ignores it."""

    def __init__(out self):
        """Adam with its usual settings and a constant learning rate of 0.02."""
        self.rule = Rule.ADAM
        self.rate = 0.02
        self.beta1 = 0.9
        self.beta2 = 0.999
        self.epsilon = 1e-8
        self.weight_decay = 0
        self.decline = Decline.CONSTANT
        self.decline_generations = 1
        self.final_ratio = 0

    def rate_at(self, generation: Int) -> Float64:
        """The learning rate of update `generation`, which counts from 0.

        Args:
            generation: Number of the update.

        Returns:
            The rate, before any bias correction.
        """
        if self.decline == Decline.CONSTANT:
            return self.rate
        var progress = min(
            1.0, Float64(generation) / Float64(self.decline_generations)
        )
        if self.decline == Decline.COSINE:
            progress = 0.5 - 0.5 * cos(pi * progress)
        return self.rate * (1 - (1 - self.final_ratio) * progress)


def power(base: Float64, exponent: Int) -> Float64:
    """`base` to a whole exponent by repeated squaring: the same bits in every language.

    Args:
        base: The number that is multiplied by itself.
        exponent: At least 0.

    Returns:
        The power; 1 for exponent 0.
    """
    var result = Float64(1)
    var square = base
    var left = exponent
    while left > 0:
        if left % 2 == 1:
            result *= square
        square *= square
        left //= 2
    return result


struct Update(ImplicitlyCopyable):
    """The update of one generation, weight by weight; all products that feed a sum are fused.
    """

    var rule: Rule
    """Adam or momentum."""
    var rate: Float32
    """Learning rate of this update; for Adam divided by the bias correction of the first moment."""
    var keep: Float32
    """What weight decay leaves of a weight."""
    var beta1: Float32
    """Decay of the first moment, and the momentum."""
    var beta2: Float32
    """Decay of the second moment."""
    var rest1: Float32
    """`1 - beta1`, the share of the new gradient in the first moment."""
    var rest2: Float32
    """`1 - beta2`, the share of the new square in the second moment."""
    var correction: Float32
    """Root of the bias correction of the second moment."""
    var epsilon: Float32
    """Added to the root of the second moment, against division by 0."""

    def __init__(out self, settings: OptimizerSettings, generation: Int):
        """The update number `generation`, which counts from 0.

        Args:
            settings: Rule, rates and decays of the run.
            generation: Number of the update.
        """
        var rate = settings.rate_at(generation)
        self.rule = settings.rule
        self.keep = Float32(1 - rate * settings.weight_decay)
        self.beta1 = Float32(settings.beta1)
        self.beta2 = Float32(settings.beta2)
        self.rest1 = Float32(1 - settings.beta1)
        self.rest2 = Float32(1 - settings.beta2)
        self.epsilon = Float32(settings.epsilon)
        self.correction = Float32(
            sqrt(1 - power(settings.beta2, generation + 1))
        )
        if settings.rule == Rule.ADAM:
            rate /= 1 - power(settings.beta1, generation + 1)
        self.rate = Float32(rate)

    @always_inline
    def apply[
        width: SIMDLength
    ](
        self,
        gradient: SIMD[DType.float32, width],
        mut weight: SIMD[DType.float32, width],
        mut first: SIMD[DType.float32, width],
        mut second: SIMD[DType.float32, width],
    ):
        """Moves `weight` up along `gradient`; `first` and `second` are its moments.

        Parameters:
            width: Weights that are updated together.

        Args:
            gradient: Direction in which the fitness rises.
            weight: The weights, overwritten.
            first: First moments or velocities, overwritten.
            second: Second moments, overwritten by Adam and left alone by momentum.
        """
        comptime Vector = SIMD[DType.float32, width]
        if self.rule == Rule.ADAM:
            first = first.fma(Vector(self.beta1), gradient * self.rest1)
            second = second.fma(
                Vector(self.beta2), (gradient * gradient) * self.rest2
            )
            var scale = sqrt(second) / self.correction + self.epsilon
            weight = weight.fma(Vector(self.keep), (first * self.rate) / scale)
        else:
            first = first.fma(Vector(self.beta1), gradient)
            weight = first.fma(Vector(self.rate), weight * self.keep)
