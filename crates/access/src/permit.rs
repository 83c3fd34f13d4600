//! Proofs that a right has been checked: an operation takes `Permit<Write>`, and only [`authorize`] makes one.

use std::{fmt, marker::PhantomData, sync::Arc};

use crate::{actions::DataAction, caller::Caller, error::Forbidden};

mod sealed {
    pub trait Sealed {}
}

/// A data action as a type.
pub trait Action: sealed::Sealed + 'static {
    /// The same as a value.
    const ACTION: DataAction;
}

macro_rules! action {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}

        impl sealed::Sealed for $name {}

        impl Action for $name {
            const ACTION: DataAction = DataAction::$name;
        }
    )*};
}

action! {
    /// Retrieve and search.
    Read;
    /// Store and update.
    Write;
    /// Delete.
    Delete;
    /// Export to a place outside.
    Export;
    /// Change extended query tags.
    Manage;
}

/// The caller, proven to have the right `A`.
pub struct Permit<A> {
    caller: Arc<Caller>,
    action: PhantomData<fn() -> A>,
}

impl<A> Permit<A> {
    /// Who has the right.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }
}

impl<A> Clone for Permit<A> {
    fn clone(&self) -> Self {
        Self { caller: Arc::clone(&self.caller), action: PhantomData }
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit<{}>({})", A::ACTION.as_str(), self.caller.subject())
    }
}

/// Gives the permit if the caller has the right.
pub fn authorize<A: Action>(caller: &Arc<Caller>) -> Result<Permit<A>, Forbidden> {
    if caller.actions().contains(A::ACTION) {
        Ok(Permit { caller: Arc::clone(caller), action: PhantomData })
    } else {
        Err(Forbidden { missing: A::ACTION })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Actions;

    #[test]
    fn a_permit_needs_its_own_action() {
        let reader = Arc::new(Caller::system("test", Actions::of(DataAction::Read)));
        assert_eq!(authorize::<Read>(&reader).unwrap().caller().subject(), "test");
        let everything_else = Actions::ALL.without(Actions::of(DataAction::Write));
        let no_writer = Arc::new(Caller::system("test", everything_else));
        assert_eq!(authorize::<Write>(&no_writer).unwrap_err(), Forbidden { missing: DataAction::Write });
        assert!(authorize::<Delete>(&no_writer).is_ok());
        assert!(authorize::<Export>(&no_writer).is_ok());
        assert!(authorize::<Manage>(&no_writer).is_ok());
        assert!(authorize::<Manage>(&reader).is_err());
    }
}
