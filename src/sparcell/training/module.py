"""The network in training, as a Lightning module, and its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from sparcell.core.log import printing_like_here
from sparcell.methods import METHODS
from sparcell.methods.detections import join
from sparcell.models.windows import join_windows
from sparcell.nets.head import freeze_batchnorm, is_pretrained
from sparcell.system.machine import cores
from sparcell.training.data.crops import Batches, Crop, EpochSampler, RandomCrops, WholeFields
from sparcell.training.data.fields import Fields
from sparcell.training.recipe import Recipe, start_decoding
from sparcell.training.recipe_parts import Optimiser
from sparcell.training.tasks import task_of


class SegmentationModule(lightning.LightningModule):
    """A network with its loss and its scores on validation fields.

    `val_loss` is the mean of the fields' losses; `val_f1` the F1 of one-to-one matching at
    IoU 0.5 of decoded objects, pooled over the fields, with the recipe's decode settings. Of
    fields that have points and no outlines, an object matches one point in it. A network that
    predicts stains has `val_pcc` instead, the mean of their correlations. A network that sees the
    location in its window is shown windows of the crop's size; its loss is that of tiles.
    """

    def __init__(self, recipe: Recipe, channels: int, val_fields: Fields) -> None:
        super().__init__()
        self.recipe, self.val_fields = recipe, val_fields
        self.method = METHODS[recipe.method.name]
        self.task = task_of(recipe.method.name)
        maps = self.task.map_count(val_fields)
        self.network, self.start = self.method.build(recipe.network, channels, recipe.method, maps)
        for weight in self.network.parameters():
            # Not those of 3D convolutions, which a temporal module may have.
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.loss = self.method.objective()
        self.decode_settings = start_decoding(recipe)
        self.validation_score = self.task.validation_score(self)

    def forward(self, image: Tensor) -> Any:
        """Map a normalised image to what the method's loss takes."""
        outputs = self.network(image.to(memory_format=torch.channels_last))
        if isinstance(outputs, list):
            return [one.float() for one in outputs]
        return outputs.float() if isinstance(outputs, Tensor) else outputs

    def compute_loss(self, outputs: Any, crop: Crop) -> Tensor:
        """Loss of a batch; the mean if there are several outputs (deep supervision).

        With `network.every_frame`, each frame of a crop is an item of the batch.
        """
        maps = crop.target.shape[1] // crop.valid.shape[1]
        target = crop.target.reshape(-1, maps, *crop.target.shape[2:])
        valid = crop.valid.reshape(-1, 1, *crop.valid.shape[2:])
        every = outputs if isinstance(outputs, list) else [outputs]
        losses = [self.loss(one, target, valid, self.recipe.method) for one in every]
        return torch.stack(losses).mean()

    def activate(self, outputs: Any) -> Any:
        """Turn the network's outputs into what is exported."""
        return self.method.activate()(outputs, self.recipe.method)

    def read(self, outputs: Any, shape: tuple[int, int]) -> Any:
        """Turn the outputs for one image of `shape` px into what is cut, joined and decoded."""
        given = self.activate(outputs)
        given = (given,) if isinstance(given, Tensor) else given
        arrays = [one[0].float().cpu().numpy() for one in given]
        return self.method.output.read(arrays, shape)

    def predict_maps(self, image: NDArray[np.float32], shape: tuple[int, int]) -> Any:
        """Say of an image what the finished model will, seen from one side.

        Parameters
        ----------
        image : (C, Y, X) float32
            Normalised; Y and X multiples of `Recipe.multiple`.
        shape : (int, int)
            Of its upper left part that is not padding, px.

        Returns
        -------
        (K, *shape) uint8 or Detections
            What is decoded.
        """
        with torch.no_grad():
            found = self._show(image, self.read)
        return join([found[:, : shape[0], : shape[1]]], axis=2)

    def _show(self, image: NDArray[np.float32], read: Callable[..., Any]) -> Any:
        """Show the network an image, in windows where its recipe has such, and read the outputs."""

        def infer(window: NDArray[np.float32]) -> Any:
            outputs = self(torch.from_numpy(window[None]).to(self.device))
            return read(outputs, (window.shape[1], window.shape[2]))

        edge = self.recipe.window
        return join_windows(infer, image, edge) if edge else infer(image)

    def on_train_epoch_start(self) -> None:
        """Freeze batch norms, if the recipe says so; Lightning sets them to training before."""
        photographs = self.recipe.network.weights in ("imagenet", "coco")
        if self.recipe.fit.freeze_batchnorm and not photographs:
            freeze_batchnorm(self.network)

    def training_step(self, crop: Crop, index: int) -> Tensor:
        """Loss of one batch; a loss that is no number stops the run."""
        # Dropout depends on the step alone, not on what ran before in this process.
        torch.manual_seed((self.recipe.seed * 100_003 + self.current_epoch) * 100_003 + index)
        loss = self.compute_loss(self(crop.image), crop)
        if not torch.isfinite(loss):
            raise NotFiniteLoss(self.trainer.global_step)
        # What is logged is the loss of the images, as in validation.
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(crop.image))
        return loss + self.penalty()

    def penalty(self) -> Tensor | float:
        """Return what the size of the convolutions' weights adds to the loss (Keras's L2)."""
        strength = self.recipe.optimiser.l2
        if not strength:
            return 0.0
        # Convolutions have a kernel of two or three dimensions; biases and norms have none.
        kernels = (weight for weight in self.network.parameters() if weight.ndim >= 4)
        return strength * sum((weight.square().sum() for weight in kernels), start=torch.zeros(()))

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip all gradients together, or each tensor by itself."""
        clip_gradients(self.network.parameters(), self.recipe.optimiser)

    def on_validation_epoch_start(self) -> None:
        """Begin to score."""
        self.validation_score = self.task.validation_score(self)

    def validation_step(self, crop: Crop, index: int) -> None:
        """Loss and matches of one whole field."""
        edge, field = self.recipe.window, self.val_fields[index]
        tiled = in_tiles(crop, edge) if edge else crop
        outputs = self(tiled.image)
        loss = self.compute_loss(outputs, tiled)
        self.log("val_loss", loss, on_epoch=True, batch_size=1, sync_dist=True)
        read = partial(self.task.read, self)
        if edge:
            output = self._show(crop.image[0].cpu().numpy(), read)
        else:
            output = read(outputs, (crop.image.shape[2], crop.image.shape[3]))
        self.validation_score.add(field, output)

    def on_validation_epoch_end(self) -> None:
        """Log the score of all fields."""
        self.log(self.method.task.score, self.validation_score.value, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Build the optimiser; `Budget` moves its rate."""
        options = self.recipe.optimiser
        groups = group_parameters(self.network, options)
        optimiser: torch.optim.Optimizer
        if options.name == "sgd":
            optimiser = torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum)
        else:
            kind = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
            optimiser = kind(groups, lr=options.lr, eps=options.eps)
        return optimiser


def clip_gradients(parameters: Iterable[torch.nn.Parameter], options: Optimiser) -> None:
    """Shrink gradients to the norm `clip_norm`: all of them together, or each tensor by itself."""
    if not options.clip_norm:
        return
    chosen = [parameter for parameter in parameters if parameter.grad is not None]
    groups = [[one] for one in chosen] if options.clip == "tensor" else [chosen]
    for group in groups:
        torch.nn.utils.clip_grad_norm_(group, options.clip_norm)


def group_parameters(network: torch.nn.Module, options: Optimiser) -> list[dict[str, Any]]:
    """Sort parameters by weight decay and learning rate.

    ``share`` of a group is its learning rate over that of the recipe.
    """
    shares = (1.0,) if options.pretrained_lr == 1 else (1.0, options.pretrained_lr)
    groups: list[dict[str, Any]] = []
    for share in shares:
        parameters = [
            p
            for p in network.parameters()
            if len(shares) == 1 or is_pretrained(p) == (share != shares[0])
        ]
        # Norms and biases are not pulled towards zero.
        for decay, chosen in (
            (options.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "share": share})
    return groups


class NotFiniteLoss(Exception):
    """The loss became NaN or infinite at a step."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"step {step}")


class CropDataModule(lightning.LightningDataModule):
    """Crops for training, whole fields for validation."""

    def __init__(self, train: Fields, val: Fields, recipe: Recipe, batch: int) -> None:
        super().__init__()
        self.train_fields, self.val_fields = train, val
        self.recipe, self.batch = recipe, batch

    def train_dataloader(self) -> DataLoader[Crop]:
        """Make the crops; drawn anew in every epoch."""
        crops = RandomCrops(self.train_fields, self.recipe)
        # Crops are cheap beside a step; on few cores a worker would take the network's place.
        workers = min(8, max(0, cores().usable // 2 - 1))
        every_crop = crops.places.different > 0
        return DataLoader(
            crops,
            batch_sampler=Batches(EpochSampler(len(crops)), self.batch, every_crop),
            collate_fn=stack,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=printing_like_here(),
        )

    def val_dataloader(self) -> DataLoader[Crop]:
        """Validation fields, one by one."""
        fields = WholeFields(self.val_fields, self.recipe, self.recipe.multiple)
        return DataLoader(fields, batch_size=1, collate_fn=stack)


def in_tiles(crop: Crop, edge: int) -> Crop:
    """Cut a batch into tiles of `edge` px, which are the batch then."""

    def cut(part: Tensor) -> Tensor:
        count, channels, height, width = part.shape
        tiles = part.reshape(count, channels, height // edge, edge, width // edge, edge)
        return tiles.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, edge, edge)

    return Crop(*(cut(part) for part in crop))


def stack(crops: list[Crop]) -> Crop:
    """Make a batch of tensors."""
    return Crop(*(torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True)))
