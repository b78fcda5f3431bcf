"""Groups of settings of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from sparcell.core.annotation import Kind
from sparcell.core.errors import InputError
from sparcell.core.settings import Settings


class Part(Settings):
    """A group of settings: immutable, and unknown ones are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Part):
    """Fields and annotations of a training."""

    # Plates and wells are often numbers; split.csv is text.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    labels: str = Field("labels", description="folder of the labels in each dataset")
    stains: tuple[str, ...] = Field(
        (),
        description="folders of the stains to predict, if there are several, [stain, actin]; each "
        "channel of a stain file is a stain, too",
    )
    where: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="only images with these values in split.csv, {cell: HeLa-S3}",
    )
    by: str = Field(
        "",
        description="column of split.csv by whose values the report groups scores; empty: cell, if "
        "it exists",
    )
    annotations: tuple[Kind, ...] = Field(
        ("outlines", "points", "mask", "stain"),
        min_length=1,
        description="annotations to use, for methods that learn from any; [points, mask] derives "
        "points and masks from outlines",
    )
    use_rejected: bool = Field(
        False, description="also train on labels that the quality gate rejected"
    )
    parts: dict[Literal["train", "val", "test"], list[str]] | None = Field(
        None, description="names of the images of each part; overrides split.csv"
    )
    images: int = Field(
        0, ge=0, description="number of training images (or movies of several planes); 0 = all"
    )
    fraction: float = Field(1.0, gt=0, le=1, description="fraction of the training images to use")
    auto: str = Field(
        "",
        description="dataset folder that `sparcell label` wrote, as further training images; "
        "outlined, validation and test images in it are left out",
    )
    auto_weight: float = Field(
        20.0,
        gt=0,
        description="weight of all automatic labels together, in outlined images",
    )
    teacher: str = Field(
        "",
        description="trained model (name, file or run folder) that makes pseudo-labels of training "
        "images without annotation; confident objects are learned from like automatic labels and "
        "share data.auto_weight with them. Empty: such images are left out",
    )
    diameter: float = Field(
        0.0,
        ge=0,
        description="enlarge fields whose objects have a median diameter below 0.7 of this, px, to "
        "it, for training and validation; `predict` does so with the finished model. Where the "
        "training objects are above 1.6 of it, their median diameter takes its place; 0 = no",
    )
    val_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="fraction of images for validation if split.csv names none; 0 = none: all "
        "labels are trained on, which needs fit.monitor=last",
    )


Border = Literal["ignored", "reflected", "zero"]


class Augment(Part):
    """Random changes of each crop, the same for image, label and ignore mask.

    Salomon-Sörensen 2023, 3.3.2 and 5.3.2.
    """

    rotation: float = Field(180, ge=0, le=180, description="largest rotation, degrees")
    shift: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest shift, fraction of the crop; in a larger image the crop stays inside",
    )
    shear: float = Field(10, ge=0, le=45, description="largest shear, degrees")
    scale: float = Field(0.0, ge=0, lt=1, description="largest change of size, fraction")
    flip: bool = Field(True, description="horizontal and vertical flips, each in half of the crops")
    gain: float = Field(0.0, ge=0, lt=1, description="largest change of contrast, fraction")
    offset: float = Field(0.0, ge=0, description="largest change of brightness, in the range -1..1")
    contrast: float = Field(
        1.0,
        ge=1,
        description="largest factor by which contrast with the background (-1) is divided or, up "
        "to its square root, multiplied, in half of the crops",
    )
    noise: float = Field(0.0, ge=0, description="largest SD of added noise, in the range -1..1")
    blur: float = Field(0.0, ge=0, description="largest sigma of a Gaussian blur, px")
    out_of_focus: float = Field(
        0.0,
        ge=0,
        description="largest brightness of added out-of-focus light, in the range -1..1, in half "
        "of the crops",
    )
    cytoplasm: float = Field(
        0.0,
        ge=0,
        description="largest brightness of cytoplasm that is added around labelled objects, in the "
        "range -1..1, in half of the crops",
    )
    texture: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="largest SD of the logarithm of a random texture, by which contrast with the "
        "background (-1) is multiplied, in half of the crops; objects of 40 px and more get "
        "coarser and stronger ones",
    )
    dimming: float = Field(
        1.0,
        ge=1,
        description="largest factor by which the contrast of each labelled object with the "
        "background (-1) is divided, in a quarter of the crops",
    )
    glow: float = Field(
        0.0,
        ge=0,
        description="largest light that is scattered around labelled objects, as a part of their "
        "contrast with the background (-1), in half of the crops",
    )
    empty: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="fraction of crops that show no object but noise, uneven light and specks, "
        "drawn at random and normalised as an image of their own",
    )
    border: Border = Field(
        "ignored",
        description="pixels of a crop beyond the image; ignored: mirrored, not trained on; "
        "reflected: mirrored with their labels, trained on (Salomon-Sörensen 2023, 5.3.2); zero: "
        "the darkest value, not trained on (Shrestha et al. 2023)",
    )


class Optimiser(Part):
    """Optimiser of the weights."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(2e-4, gt=0, description="learning rate (the largest, with a schedule)")
    pretrained_lr: float = Field(
        1.0,
        ge=0,
        le=1,
        description="learning rate of pretrained weights, as a fraction of lr; 0 = frozen",
    )
    weight_decay: float = Field(0.0, ge=0)
    l2: float = Field(
        0.0,
        ge=0,
        description="factor of the sum of squared weights of all convolutions, which is added to "
        "the loss before gradients are clipped, as in Keras",
    )
    eps: float = Field(1e-8, gt=0, description="epsilon of adam and adamw; 1e-7 in Keras")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    schedule: Literal["constant", "one-cycle", "cosine"] = "constant"
    clip_norm: float = Field(0.0, ge=0, description="largest gradient norm; 0 = no limit")
    clip: Literal["network", "tensor"] = Field(
        "network",
        description="clip the norm of all gradients together, or of each tensor, as in Keras",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay per step of an exponential moving average of the weights, which is "
        "validated and saved; 0 = no average",
    )


Edge = Annotated[int, Field(ge=32, multiple_of=32)]


class Fit(Part):
    """Length of the training, its crops, and which weights are saved."""

    epochs: int = Field(
        3000, ge=1, description="most epochs, if neither max_steps nor cpu_seconds is set"
    )
    max_steps: int = Field(0, ge=0, description="number of steps; 0 = no limit")
    cpu_seconds: float = Field(
        0, ge=0, description="processor time, s (on a GPU: wall time); 0 = no limit"
    )
    minutes: float = Field(
        0,
        ge=0,
        description="longest time of the training by the clock, min, beside the other limits; 0 = "
        "no limit",
    )
    patience: int = Field(
        250, ge=1, description="epochs without improvement before the training ends"
    )
    crops_per_epoch: int = Field(
        0, ge=0, description="crops per epoch; 0 = as many as tile the training images"
    )
    fixed_crops: int = Field(
        0,
        ge=0,
        description="number of crops of each image that are drawn once, each with an object, and "
        "used in all epochs (Bonte et al. 2023, 2.2: 5); 0 = new crops in each epoch",
    )
    tiles: float = Field(
        0.0,
        ge=0,
        le=1,
        description="cut each image into tiles, each used once per epoch: largest step between "
        "tiles, fraction of the crop. 1 = side by side; 0 = random crops",
    )
    freeze_fraction: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="fraction of the training during which pretrained weights are frozen",
    )
    freeze_batchnorm: bool = Field(
        False,
        description="keep means and variances of batch norms from another run or model (not from "
        "ImageNet) instead of those of few training images",
    )
    crop: Edge | tuple[Edge, Edge] = Field(
        512, description="edge of a square crop, or rows and columns, [544, 704]; px"
    )
    batch: int = Field(4, ge=1, description="crops per step")
    foreground_fraction: float = Field(
        0.0, ge=0, le=1, description="fraction of crops centred on an object; others are random"
    )
    match_within: float = Field(
        0.0,
        ge=0,
        description="validation and tuning count an object as found within this distance of a true "
        "one, px, which suits particles of a few pixels; 0 = by IoU",
    )
    monitor: Literal["val_loss", "val_f1", "val_pcc", "last"] = Field(
        "val_loss",
        description="score that selects the best weights; val_pcc: for method stain instead of "
        "val_f1; last: the last weights are saved",
    )
    initial_weight_fraction: Annotated[float, Field(ge=0, lt=1)] | Literal["validated"] = Field(
        0.0,
        description="fraction of the start weights in the saved weights, which are interpolated "
        "between start and end of the training (Wortsman et al. 2022); 0 = the end alone; "
        "validated: the one with the best F1 on validation images",
    )
    precision: Literal["auto", "32", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto: 16-mixed on a GPU, 32 on a CPU"
    )
    log_to: Literal["none", "tensorboard", "mlflow"] = Field(
        "none", description="further log of the curves in the run folder, if installed"
    )
    tune_decoding: bool | Literal["threshold", "outlines"] = Field(
        True,
        description="tune decode settings on validation images by F1; threshold: only that and the "
        "smallest size; outlines: only the threshold, so that outlines lie neither inside nor "
        "outside the true ones on average",
    )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a crop, px."""
        return self.crop if isinstance(self.crop, tuple) else (self.crop, self.crop)

    @model_validator(mode="after")
    def _places_are_one_kind(self) -> Fit:
        if self.tiles and self.fixed_crops:
            raise InputError(
                f"fit.tiles={self.tiles} and fit.fixed_crops={self.fixed_crops}",
                "tiles or crops that are drawn once",
                "set one of them to 0",
            )
        return self


class PredictConfig(Part):
    """Defaults of predictions with the finished model."""

    tta: Literal["none", "flips", "turns", "all", "photometric"] = Field(
        "none",
        description="test-time augmentation: average the outputs for flipped, turned, or "
        "photometrically changed images (brightness, contrast, and hue of three channels; "
        "Park et al. 2022: TTA U-Net)",
    )
