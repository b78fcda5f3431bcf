"""The groups of settings that a recipe consists of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from sparcell.core.annotation import Kind
from sparcell.core.errors import InputError
from sparcell.core.settings import Settings


class Part(Settings):
    """A group of settings that cannot be changed and has no unknown ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Part):
    """Which fields are trained on, and on what labels."""

    # Plates and wells are often numbers; split.csv is text.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    labels: str = Field("labels", description="folder of the labels in each dataset")
    stains: tuple[str, ...] = Field(
        (),
        description="folders of the stains to predict, where there are several, [stain, actin]; a "
        "stain file of several channels is several stains too",
    )
    where: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="only fields with these values in split.csv, {cell: HeLa-S3}: a pure set",
    )
    by: str = Field(
        "",
        description="column of split.csv whose values the report scores apart; empty: cell, where "
        "there is one",
    )
    annotations: tuple[Kind, ...] = Field(
        ("outlines", "points", "mask", "stain"),
        min_length=1,
        description="what is used of each field, where a method learns from any annotation; "
        "[points, mask] makes points and masks of outlines",
    )
    use_rejected: bool = Field(
        False, description="train also on labels that the quality gate refused"
    )
    parts: dict[Literal["train", "val", "test"], list[str]] | None = Field(
        None, description="names of the fields of each part; overrides split.csv"
    )
    images: int = Field(
        0, ge=0, description="train on so many fields (of several planes each: movies); 0 = all"
    )
    fraction: float = Field(1.0, gt=0, le=1, description="train on this share of the fields")
    auto: str = Field(
        "",
        description="dataset folder that `sparcell label` wrote: its fields are learned from too, "
        "those apart that are outlined, or kept for validation or test",
    )
    auto_weight: float = Field(
        20.0,
        gt=0,
        description="all automatic labels together count as much as so many outlined fields",
    )
    teacher: str = Field(
        "",
        description="a finished model, by name, file or run folder, that labels the training "
        "fields without annotation; what it is sure of is learned from beside automatic labels, "
        "and counts with them in data.auto_weight. Empty: such fields are left out",
    )
    val_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share of fields for validation where split.csv names none; 0 = none: every "
        "labelled pixel is learned from, which needs fit.monitor=last",
    )


Border = Literal["ignored", "reflected", "zero"]


class Augment(Part):
    """Random changes of each crop, alike for image, label and ignore mask (thesis 3.3.2, 5.3.2)."""

    rotation: float = Field(180, ge=0, le=180, description="largest turn, degrees")
    shift: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest shift, share of the crop; in a field that is larger than the crop, "
        "the crop stays inside",
    )
    shear: float = Field(10, ge=0, le=45, description="largest shear, degrees")
    scale: float = Field(0.0, ge=0, lt=1, description="largest change of size, share")
    flip: bool = Field(True, description="horizontal and vertical flips, each in half the crops")
    gain: float = Field(0.0, ge=0, lt=1, description="largest change of contrast, share")
    offset: float = Field(0.0, ge=0, description="largest change of brightness, of the range -1..1")
    noise: float = Field(0.0, ge=0, description="largest SD of added noise, of the range -1..1")
    blur: float = Field(0.0, ge=0, description="largest sigma of a Gaussian blur, px")
    out_of_focus: float = Field(
        0.0,
        ge=0,
        description="largest brightness of added light from out of focus, of the range -1..1, in "
        "half the crops",
    )
    border: Border = Field(
        "ignored",
        description="what a crop shows beyond the image: ignored = mirrored pixels, not learned "
        "from; reflected = image and labels mirrored, learned from (autolabel thesis 5.3.2); zero "
        "= the darkest value, not learned from (lacss, LIVECell)",
    )


class Optimiser(Part):
    """How weights are changed."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(2e-4, gt=0, description="learning rate (its peak with a schedule)")
    pretrained_lr: float = Field(
        1.0,
        ge=0,
        le=1,
        description="learning rate of what started from weights, as a share of lr; 0 = never moved",
    )
    weight_decay: float = Field(0.0, ge=0)
    l2: float = Field(
        0.0,
        ge=0,
        description="this times the sum of the squared weights of all convolutions is added to the "
        "loss, before gradients are clipped, as Keras does",
    )
    eps: float = Field(1e-8, gt=0, description="epsilon of adam and adamw; 1e-7 in Keras")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    schedule: Literal["constant", "one-cycle", "cosine"] = "constant"
    clip_norm: float = Field(0.0, ge=0, description="largest gradient norm; 0 = no limit")
    clip: Literal["network", "tensor"] = Field(
        "network",
        description="clip the norm of all gradients together, or of each tensor by itself, as "
        "Keras does",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="what the running mean of the weights, which is validated and kept, retains of "
        "itself at each step; 0 = no mean",
    )


Edge = Annotated[int, Field(ge=32, multiple_of=32)]


class Fit(Part):
    """How long, how much at once, and which weights are kept."""

    epochs: int = Field(3000, ge=1, description="at most, where neither steps nor seconds are set")
    max_steps: int = Field(0, ge=0, description="end after so many steps; 0 = no such end")
    cpu_seconds: float = Field(
        0, ge=0, description="end after so much processor time (GPU: wall time); 0 = no such end"
    )
    patience: int = Field(250, ge=1, description="epochs without improvement before the end")
    crops_per_epoch: int = Field(
        0, ge=0, description="crops in an epoch; 0 = as many as tile the training images"
    )
    fixed_crops: int = Field(
        0,
        ge=0,
        description="draw so many crops of each field once, each with an object in it, and see no "
        "others (isl 2.2: 5); 0 = fresh crops in each epoch",
    )
    tiles: float = Field(
        0.0,
        ge=0,
        le=1,
        description="show each field tile by tile, each tile once in an epoch: the largest step "
        "between tiles, share of the crop. 1 = side by side; 0 = crops drawn at random",
    )
    freeze_fraction: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="what started from weights is held for this share of the training, while the "
        "rest finds its feet",
    )
    freeze_batchnorm: bool = Field(
        False,
        description="batch norms that came with another run or model, not those of ImageNet, keep "
        "their means and variances, instead of those of the few images that are learned from",
    )
    crop: Edge | tuple[Edge, Edge] = Field(
        512, description="edge of a square crop, or rows and columns, [544, 704]; px"
    )
    batch: int = Field(4, ge=1, description="crops in a step")
    foreground_fraction: float = Field(
        0.0, ge=0, le=1, description="share of crops centred on an object, the rest anywhere"
    )
    monitor: Literal["val_loss", "val_f1", "val_pcc", "last"] = Field(
        "val_loss",
        description="what decides which weights are best; val_pcc: of method stain, in place of "
        "val_f1; last: the last ones are kept",
    )
    initial_weight_fraction: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="the kept weights are this share of those that the training started from, and "
        "the rest of those it ended with (Wortsman et al. 2022); 0 = the latter alone",
    )
    precision: Literal["auto", "32", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto: mixed on a GPU, 32 on a CPU"
    )
    log_to: Literal["none", "tensorboard", "mlflow"] = Field(
        "none", description="where else the curves go, if installed, in the run folder"
    )
    tune_decoding: bool | Literal["outlines"] = Field(
        True,
        description="choose decode settings on validation fields by F1; outlines: only the "
        "threshold, so that outlines lie neither inside nor outside the true ones on average",
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
    """How the finished model is used unless its user says otherwise."""

    tta: Literal["none", "flips", "turns", "all", "photometric"] = Field(
        "none",
        description="average the answers to views of the image: flipped, turned, or photometric: "
        "other brightness, contrast and, of three channels, hue (mp-net: TTA U-Net)",
    )
