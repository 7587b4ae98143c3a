//! The item under an import's idempotency key. It contains which request carries the import
//! out, and the users that have been added.

use portal::error::Failure;
use portal::models::Timestamp;
use portal::random;
use portal::store::{IdempotencyItem, Import, Imported, ItemKey, Items, Key, Store, Transaction};

pub(crate) struct Kept {
    key: Key<IdempotencyItem>,
    item: IdempotencyItem,
    import: Import,
    is_retry: bool,
}

impl Kept {
    /// Makes this request the one that carries the import out. An earlier request that is
    /// still running can then commit nothing more.
    pub(crate) async fn begin(
        store: &Store,
        key: Key<IdempotencyItem>,
        first: Option<(IdempotencyItem, Import)>,
        asked: &str,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let (run, is_retry) = (random::token()?, first.is_some());
        let mut transaction = store.transaction();
        let (item, import) = if let Some((item, Import { run: earlier, added })) = first {
            let import = Import { run, added };
            let item = item.with_import(import.clone());
            transaction.keep_in_place_of(&earlier, &key, &item);
            (item, import)
        } else {
            let import = Import { run, added: Vec::new() };
            let item = IdempotencyItem::import(asked, import.clone(), now);
            transaction.keep(&key, &item, now);
            (item, import)
        };
        transaction.commit().await?;
        Ok(Self { key, item, import, is_retry })
    }

    pub(crate) fn is_retry(&self) -> bool {
        self.is_retry
    }

    /// Returns the user that this import has added for a line.
    pub(crate) fn added(&self, line: u64) -> Option<&Imported> {
        self.import.added.iter().find(|added| added.line == line)
    }

    pub(crate) fn item_key(&self) -> ItemKey {
        self.key.item_key()
    }

    /// Takes over the content of the item in `stored`.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when another request now carries the import out.
    pub(crate) fn update(&mut self, stored: &Items) -> Result<(), Failure> {
        let import = stored.get(&self.key)?.and_then(IdempotencyItem::into_import);
        self.import = import.filter(|import| import.run == self.import.run).ok_or(Failure::Conflict)?;
        Ok(())
    }

    /// Makes `transaction` require that this request still carries the import out, and store that these users have been
    /// added or have new passwords. Returns the content that the item then has.
    #[must_use]
    pub(crate) fn keep(
        &self,
        transaction: &mut Transaction<'_>,
        changed: impl IntoIterator<Item = Imported>,
    ) -> Import {
        let mut import = self.import.clone();
        for changed in changed {
            match import.added.iter_mut().find(|added| added.line == changed.line) {
                Some(added) => *added = changed,
                None => import.added.push(changed),
            }
        }
        transaction.keep_in_place_of(&self.import.run, &self.key, &self.item.with_import(import.clone()));
        import
    }

    /// Takes over the content that a transaction has committed.
    pub(crate) fn committed(&mut self, import: Import) {
        self.import = import;
    }

    /// Whether the item has this content.
    pub(crate) fn is(&self, import: &Import) -> bool {
        self.import == *import
    }
}
