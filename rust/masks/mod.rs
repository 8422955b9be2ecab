//! The masks of extremal perturbations: made smooth from coarse grids, laid over blurred images, drawn to an area.

pub mod area;
pub mod blend;
pub mod smooth;
