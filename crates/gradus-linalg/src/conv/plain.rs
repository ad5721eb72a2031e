//! Convolutions whose kernel reaches far beyond the image, which packed copies would not fit: tap by tap, by the definition.

use super::Geometry;
use crate::float::Float;

/// What one tap of one output reads: places in output, image and weight, all contiguous.
fn each_tap(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let (c_in, c_out) = (g.c_in, g.c_out);
    let inside = |d: usize, o: usize, tap: usize| {
        let at = g.origin[d] + (o * g.stride[d] + tap * g.dilation[d]) as isize;
        usize::try_from(at).ok().filter(|&at| at < g.input[d])
    };
    for image in 0..g.batch * g.groups {
        for (co, ci) in (0..c_out).flat_map(|co| (0..c_in).map(move |ci| (co, ci))) {
            let kernel = ((image % g.groups * c_out + co) * c_in + ci) * g.kernel[0] * g.kernel[1];
            let plane = (image * c_in + ci) * g.input[0];
            let rows = (image * c_out + co) * g.output[0];
            for (oy, ky) in (0..g.output[0]).flat_map(|o| (0..g.kernel[0]).map(move |k| (o, k))) {
                let Some(y) = inside(0, oy, ky) else { continue };
                for (ox, kx) in (0..g.output[1]).flat_map(|o| (0..g.kernel[1]).map(move |k| (o, k)))
                {
                    if let Some(x) = inside(1, ox, kx) {
                        let out = (rows + oy) * g.output[1] + ox;
                        f(
                            out,
                            (plane + y) * g.input[1] + x,
                            kernel + ky * g.kernel[1] + kx,
                        );
                    }
                }
            }
        }
    }
}

/// See [`super::conv2d`].
pub(super) fn forward<T: Float>(
    dst: &mut [T],
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
) {
    let channels = g.groups * g.c_out;
    for (i, dst) in dst.chunks_exact_mut(g.positions().max(1)).enumerate() {
        dst.fill(bias.map_or(T::ZERO, |b| b[i % channels]));
    }
    each_tap(g, |o, i, w| dst[o] = x[i].mul_add(weight[w], dst[o]));
}

/// See [`super::conv2d_grad_input`].
pub(super) fn grad_input<T: Float>(dst: &mut [T], grad_out: &[T], weight: &[T], g: &Geometry) {
    dst.fill(T::ZERO);
    each_tap(g, |o, i, w| dst[i] = grad_out[o].mul_add(weight[w], dst[i]));
}

/// See [`super::conv2d_grad_weight`].
pub(super) fn grad_weight<T: Float>(dst: &mut [T], grad_out: &[T], x: &[T], g: &Geometry) {
    dst.fill(T::ZERO);
    each_tap(g, |o, i, w| dst[w] = grad_out[o].mul_add(x[i], dst[w]));
}
