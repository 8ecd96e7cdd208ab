//! What a fused operation is: values and gradients on contiguous slices. One adapter makes an
//! operation of candle of it.

use std::marker::PhantomData;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::kernels::real::{Real, slice};

/// An operation of `N` tensors whose values and gradients are written by hand.
pub(crate) trait Operation<T, const N: usize>: Send + Sync {
    /// For messages of candle.
    fn name(&self) -> &'static str;

    /// The result and its shape, from the values of the inputs, row-major.
    fn forward(&self, values: [&[T]; N], layouts: [&Layout; N]) -> Result<(Vec<T>, Shape)>;

    /// Gradients of the inputs, from that of the result; `None` for an input that has none.
    fn backward(
        &self,
        inputs: [&Tensor; N],
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; N]>;
}

/// An [`Operation`] on the CPU, as candle takes it.
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
        let [of_input] = self.operation.backward([input], result, gradient)?;
        Ok(of_input)
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
