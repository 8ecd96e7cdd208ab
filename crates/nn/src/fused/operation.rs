//! The trait of fused operations, with values and gradients on contiguous slices, and the adapter
//! that makes a custom operation of candle from it.

use std::marker::PhantomData;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::kernels::real::{Real, slice};

/// An operation on `N` tensors with a hand-written forward and backward pass.
pub(crate) trait Operation<T, const N: usize>: Send + Sync {
    /// The name in candle's messages.
    fn name(&self) -> &'static str;

    /// The result, row-major, and its shape.
    fn forward(&self, values: [&[T]; N], layouts: [&Layout; N]) -> Result<(Vec<T>, Shape)>;

    /// Gradients of the inputs, given the gradient of the result; `None` for an input without
    /// gradient.
    fn backward(
        &self,
        inputs: [&Tensor; N],
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; N]>;
}

/// An [`Operation`] as a custom operation of candle on the CPU.
pub(crate) struct OnCpu<O, T> {
    operation: O,
    number: PhantomData<T>,
}

impl<O, T: Real> OnCpu<O, T> {
    pub(crate) fn new(operation: O) -> Self {
        Self {
            operation,
            number: PhantomData,
        }
    }

    fn forward<const N: usize>(
        &self,
        storages: [&CpuStorage; N],
        layouts: [&Layout; N],
    ) -> Result<(CpuStorage, Shape)>
    where
        O: Operation<T, N>,
    {
        let mut values: [&[T]; N] = [&[]; N];
        for ((values, storage), layout) in values.iter_mut().zip(storages).zip(layouts) {
            *values = slice(storage, layout)?;
        }
        let (result, shape) = self.operation.forward(values, layouts)?;
        Ok((T::to_cpu_storage_owned(result), shape))
    }
}

impl<T: Real, O: Operation<T, 1>> CustomOp1 for OnCpu<O, T> {
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward([storage], [layout])
    }

    fn bwd(&self, input: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let [input_gradient] = self.operation.backward([input], result, gradient)?;
        Ok(input_gradient)
    }
}

impl<T: Real, O: Operation<T, 2>> CustomOp2 for OnCpu<O, T> {
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([s1, s2], [l1, l2])
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let inputs = [first, second];
        Ok(self.operation.backward(inputs, result, gradient)?.into())
    }
}

impl<T: Real, O: Operation<T, 3>> CustomOp3 for OnCpu<O, T> {
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([s1, s2, s3], [l1, l2, l3])
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        third: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let inputs = [first, second, third];
        Ok(self.operation.backward(inputs, result, gradient)?.into())
    }
}
