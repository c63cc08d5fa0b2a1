//! What every store must do with values.

use std::{sync::Arc, time::Duration};

use super::AnyStore;
use crate::store::{Change, Condition, Key, Update};

pub(crate) async fn a_value_is_put_only_if_all_conditions_hold(store: AnyStore) {
    let ttl = Duration::from_secs(100);
    let put = |name: &str, value: &str| Change::Put(name.to_owned(), value.into(), ttl);
    let absent = |name: &str| Condition::Absent(name.to_owned());
    let equals = |name: &str, value: &str| Condition::Equals(name.to_owned(), value.into());
    let first = update(vec![absent("a"), absent("b")], vec![put("a", "1"), put("b", "1")]);
    assert!(store.update(first.clone()).await.unwrap());
    assert!(!store.update(first).await.unwrap());
    let half = update(vec![equals("a", "1"), equals("b", "2")], vec![put("a", "x")]);
    assert!(!store.update(half).await.unwrap());
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(b"1".to_vec()));
    let change = vec![put("a", "2"), Change::Remove("b".to_owned())];
    assert!(store.update(update(vec![equals("a", "1")], change)).await.unwrap());
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(b"2".to_vec()));
    assert_eq!(store.get(&key("b")).await.unwrap(), None);
    let empty = update(vec![equals("b", "")], vec![put("b", "x")]);
    assert!(!store.update(empty).await.unwrap(), "nothing is not the empty value");
}

pub(crate) async fn a_value_is_taken_once(store: AnyStore) {
    let put = Change::Put("code".to_owned(), b"secret".to_vec(), Duration::from_secs(100));
    assert!(store.update(update(vec![], vec![put])).await.unwrap());
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        takers.spawn(async move { store.take(&key("code")).await.unwrap() });
    }
    let taken: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [b"secret".to_vec()]);
}

pub(crate) async fn of_many_who_swap_one_value_one_wins(store: AnyStore) {
    let put =
        |value: &str| vec![Change::Put("token".to_owned(), value.into(), Duration::from_secs(100))];
    assert!(store.update(update(vec![], put("old"))).await.unwrap());
    let mut swappers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        let condition = Condition::Equals("token".to_owned(), b"old".to_vec());
        let swap = update(vec![condition], put(&format!("new-{number}")));
        swappers.spawn(async move { store.update(swap).await.unwrap() });
    }
    let won = swappers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

pub(crate) async fn a_value_expires(store: AnyStore) {
    let ttl = Duration::from_millis(300);
    let put = || vec![Change::Put("a".to_owned(), b"1".to_vec(), ttl)];
    assert!(store.update(update(vec![], put())).await.unwrap());
    assert!(store.get(&key("a")).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.take(&key("a")).await.unwrap(), None);
    let absent = Condition::Absent("a".to_owned());
    assert!(store.update(update(vec![absent], put())).await.unwrap());
}

pub(crate) async fn a_value_that_is_replaced_lives_no_longer(store: AnyStore) {
    let put = Change::Put("a".to_owned(), b"1".to_vec(), Duration::from_millis(300));
    assert!(store.update(update(vec![], vec![put])).await.unwrap());
    let other = || Change::Replace("a".to_owned(), b"2".to_vec());
    let as_it_was = Condition::Equals("a".to_owned(), b"1".to_vec());
    assert!(store.update(update(vec![as_it_was.clone()], vec![other()])).await.unwrap());
    assert!(!store.update(update(vec![as_it_was], vec![other()])).await.unwrap());
    assert_eq!(store.get(&key("a")).await.unwrap().as_deref(), Some(b"2".as_slice()));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert!(store.update(update(vec![], vec![other()])).await.unwrap());
    assert_eq!(store.get(&key("a")).await.unwrap(), None, "there was nothing to replace");
}

pub(crate) async fn every_value_is_found_by_going_through_them(store: AnyStore) {
    let mut expected = Vec::new();
    for number in 0..100 {
        let group = format!("client:https://c.example/{{{number}}}:x y");
        let put = Change::Put("n".to_owned(), b"1".to_vec(), Duration::from_secs(100));
        let update = Update { group: group.clone(), conditions: vec![], changes: vec![put] };
        assert!(store.update(update).await.unwrap());
        expected.push(Key { group, name: "n".to_owned() });
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(after.as_deref(), 7).await.unwrap();
        found.extend(page.keys);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names = |keys: &[Key]| {
        let mut names: Vec<_> = keys.iter().map(|key| key.group.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names(&found), names(&expected));
    let strange = store.scan(Some("a place of another store"), 1000).await.unwrap();
    assert_eq!(names(&strange.keys), names(&expected), "it is begun anew");
}

fn key(name: &str) -> Key {
    Key { group: "group".to_owned(), name: name.to_owned() }
}

fn update(conditions: Vec<Condition>, changes: Vec<Change>) -> Update {
    Update { group: "group".to_owned(), conditions, changes }
}
