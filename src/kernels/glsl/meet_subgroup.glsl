// For kernels with the constant LOCKSTEP.

/// Makes what lanes have put into shared memory known to those of their subgroup. Mesa's software device takes every
/// control barrier for one of the whole workgroup, whose subgroups must then come by as many; its lanes run in lockstep.
void meet_subgroup() {
  if (LOCKSTEP) {
    subgroupMemoryBarrierShared();
  } else {
    subgroupBarrier();
  }
}
