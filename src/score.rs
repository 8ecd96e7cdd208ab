//! A saved model on new people.
