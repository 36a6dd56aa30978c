"""Networks of the family, drawn by hypothesis."""

from hypothesis import strategies as st

from nas_sr.families.imdeception.spec import ImdeceptionSpec


@st.composite
def specs(draw: st.DrawFn) -> ImdeceptionSpec:
    """Any member within and somewhat beyond the shipped search space."""
    gidbs = draw(st.integers(1, 10))
    after = st.lists(st.integers(1, gidbs - 1), max_size=3) if gidbs > 1 else st.just([])
    core = draw(st.integers(1, 40))
    split = draw(st.sampled_from([1, 2, 3]))
    return ImdeceptionSpec(
        scale=draw(st.integers(2, 4)),
        core=core,
        groups=draw(st.sampled_from([1, 2, 3, 4, 8])),
        gidbs=gidbs,
        depth=draw(st.integers(1, 6)),
        split=split,
        head=draw(st.sampled_from([16, 32, 48, 64, 96])),
        nla_after=tuple(draw(after)) if core * split >= 4 else (),
        nla_patch=draw(st.sampled_from([2, 4, 8])),
        nla_window=draw(st.sampled_from([16, 32])),
    )
